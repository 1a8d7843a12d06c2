// In the tests, the hosts below localhost are this machine. Node loads this file with --require.

const dns = require('node:dns')
const { lookup } = dns

dns.lookup = (host, ...rest) => lookup(host.endsWith('.localhost') ? '127.0.0.1' : host, ...rest)
