// The API of the app Payroll, which accepts the access tokens of its users. With jose.
//
// Usage: node payroll.mjs ISSUER
//
// Prints the port on which it listens.

import { createServer } from 'node:http'
import { createRemoteJWKSet, errors, jwtVerify } from 'jose'

const APP = 'payroll'
const issuer = process.argv[2]
const metadata = await (await fetch(`${issuer}/.well-known/openid-configuration`)).json()
// Keeps the keys, and asks for them again when a token names another one.
const keys = createRemoteJWKSet(new URL(metadata.jwks_uri))

/** The claims of an access token, if it is valid and for this app. */
async function verified(token) {
  const { payload } = await jwtVerify(token, keys, {
    algorithms: ['EdDSA', 'ES256'],
    issuer,
    audience: APP,
    // An ID token shows a program who signed in, and opens nothing (RFC 9068 section 4).
    typ: 'at+jwt',
    clockTolerance: 30,
    requiredClaims: ['exp', 'iat', 'sub'],
  })
  return payload
}

const refused = (status, error) => [status, { error }, `Bearer error="${error}"`]

async function payslips(authorization = '') {
  const [kind, token = ''] = authorization.split(' ', 2)
  if (kind.toLowerCase() !== 'bearer') return [401, { error: 'token_missing' }, 'Bearer']
  let claims
  try {
    claims = await verified(token)
  } catch (error) {
    // Without the keys nobody knows whether the token is valid, so the person is not signed out.
    const hasNoKeys =
      !(error instanceof errors.JOSEError) ||
      error instanceof errors.JWKSTimeout ||
      error instanceof errors.JWKSInvalid ||
      error.code === errors.JOSEError.code
    return hasNoKeys ? [503, { error: 'temporarily_unavailable' }] : refused(401, 'invalid_token')
  }
  if (!(claims.scope ?? '').split(' ').includes('payslips.read')) return refused(403, 'insufficient_scope')
  // Each business has payslips of its own.
  return [200, { business: claims.tid, person: claims.sub, payslips: [] }]
}

const server = createServer(async (request, response) => {
  const [status, body, challenge] =
    request.method === 'GET' && request.url === '/payslips'
      ? await payslips(request.headers.authorization)
      : [404, { error: 'not_found' }]
  response.writeHead(status, {
    'content-type': 'application/json',
    ...(challenge && { 'www-authenticate': challenge }),
  })
  response.end(JSON.stringify(body))
})
server.listen(0, '127.0.0.1', () => console.log(server.address().port))
