// Asks for an address with each Accept-Encoding, and prints what came as JSON.
// Usage: node compressed.mjs ADDRESS TOKEN ENCODING...
import { createHash } from 'node:crypto'
import http from 'node:http'
import zlib from 'node:zlib'

const [address, token, ...encodings] = process.argv.slice(2)
const open = { gzip: zlib.gunzipSync, br: zlib.brotliDecompressSync }

function ask(encoding) {
  const headers = { 'accept-encoding': encoding, authorization: `Bearer ${token}` }
  return new Promise((done, failed) => {
    http.get(address, { headers }, answer => {
      const parts = []
      answer.on('data', part => parts.push(part)).on('error', failed).on('end', () => {
        const sent = Buffer.concat(parts)
        const used = answer.headers['content-encoding'] ?? ''
        const content = used ? open[used](sent) : sent
        done({
          status: answer.statusCode,
          encoding: used,
          etag: answer.headers.etag ?? '',
          vary: answer.headers.vary ?? '',
          bytes: sent.length,
          digest: createHash('sha256').update(content).digest('hex'),
        })
      })
    }).on('error', failed)
  })
}

const answers = []
for (const encoding of encodings) answers.push(await ask(encoding))
console.log(JSON.stringify(answers))
