module shop

go 1.23

require tenantry v0.0.0

replace tenantry => ../../../target/clients/go
