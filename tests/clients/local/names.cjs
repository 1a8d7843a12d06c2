// In the tests, the host id.localhost is this machine. Node loads this file with --require.

const dns = require('node:dns')
const { lookup } = dns

dns.lookup = (host, ...rest) => lookup(host === 'id.localhost' ? '127.0.0.1' : host, ...rest)
