// Shows the API document, signs in on this host, and completes the requests that the page sends.
'use strict'

const form = document.querySelector('#sign-in')
const message = form.querySelector('output')
const signedIn = document.querySelector('#signed-in')

// Tokens stay in the memory of the page. They end with it.
let session = null

// Code samples show this key. Each request from the page gets a new one in its place. Somebody who types a key
// can send a request twice.
const sampleKey = newKey()

let reference = null
let content = null

start()

async function start() {
  const answer = await fetch('/openapi.json')
  content = await answer.json()
  for (const operation of Object.values(content.paths).flatMap(Object.values)) {
    const key = operation.parameters?.find(parameter => parameter.name === 'Idempotency-Key')
    if (key) key.example = sampleKey
  }
  reference = Scalar.createApiReference('#reference', configuration())
}

function configuration() {
  return {
    content,
    agent: { disabled: true },
    defaultOpenFirstTag: false,
    documentDownloadType: 'json',
    hideClientButton: true,
    mcp: { disabled: true },
    persistAuth: false,
    showDeveloperTools: 'never',
    telemetry: false,
    withDefaultFonts: false,
    authentication: {
      preferredSecurityScheme: 'bearer',
      securitySchemes: { bearer: { token: session?.accessToken ?? '' } },
    },
    onBeforeRequest: ({ requestBuilder }) => complete(requestBuilder.headers),
  }
}

function complete(headers) {
  const key = headers.get('idempotency-key')
  if (key === '' || key === sampleKey) headers.set('idempotency-key', newKey())
}

// crypto.randomUUID is missing on pages without HTTPS.
function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('')
}

async function post(path, body) {
  const headers = { 'content-type': 'application/json' }
  if (session) headers.authorization = `Bearer ${session.accessToken}`
  const answer = await fetch(`/api/v1/auth/${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
  const text = await answer.text()
  const content = text ? JSON.parse(text) : null
  if (!answer.ok) throw content
  return content
}

form.addEventListener('submit', async event => {
  event.preventDefault()
  const { username, password, code } = Object.fromEntries(new FormData(form))
  const login = username.includes('@') ? { email: username, password } : { username, password }
  if (code) login.code = code
  const button = form.querySelector('button')
  button.disabled = true
  say('Signing in ...')
  try {
    keep(await post('login', login))
  } catch (problem) {
    const code = document.querySelector('#code')
    if (problem?.code === 'second_factor_required') {
      code.hidden = false
      code.querySelector('input').focus()
      say('Enter the code of your authenticator, and sign in again.')
    } else {
      say(problem?.detail ?? 'The server does not answer. Try again.', true)
    }
  } finally {
    button.disabled = false
  }
})

signedIn.querySelector('button').addEventListener('click', async () => {
  await post('logout', {}).catch(() => {})
  forget('You are signed out.')
})

function say(text, refused = false) {
  message.textContent = text
  message.classList.toggle('refused', refused)
}

function keep(tokens) {
  session = { ...session, ...tokens }
  const { user, membership } = session
  const name = user.email ?? user.username
  const place = membership?.business?.name ?? 'the platform'
  signedIn.querySelector('output').textContent = `Signed in as ${name} at ${place}.`
  form.reset()
  form.hidden = true
  signedIn.hidden = false
  reference?.updateConfiguration(configuration())
  // A minute before the token ends, the next one is fetched.
  clearTimeout(session.timer)
  session.timer = setTimeout(renew, Math.max(tokens.expiresIn - 60, 5) * 1000)
}

async function renew() {
  try {
    keep(await post('refresh', { refreshToken: session.refreshToken }))
  } catch (problem) {
    forget(problem?.detail ?? 'The session has ended. Sign in again.')
  }
}

function forget(text) {
  clearTimeout(session?.timer)
  session = null
  form.hidden = false
  signedIn.hidden = true
  say(text)
  reference?.updateConfiguration(configuration())
}
