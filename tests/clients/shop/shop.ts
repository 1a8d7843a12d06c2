// A program of a shop, with a client for TypeScript that openapi-typescript made.
//
// Usage: node shop.js ADDRESS EMAIL PASSWORD
//
// Signs in, lists the products, orders one piece of the first one, and then more pieces than there are.

import { randomUUID } from 'node:crypto'
import createClient from 'openapi-fetch'
import type { components, paths } from '@tenantry/client'

type Order = components['schemas']['Order']
type Problem = components['schemas']['Problem']

const [address, email, password] = process.argv.slice(2) as [string, string, string]
const api = createClient<paths>({ baseUrl: address })

/** The answer, or an end of the program with the problem. */
function answer<T>(reply: { data?: T; error?: Problem }): T {
  if (reply.data === undefined) throw new Error(reply.error?.detail ?? 'no answer')
  return reply.data
}

async function order(variantId: string, quantity: string): Promise<{ data?: Order; error?: Problem }> {
  return api.POST('/api/v1/orders', {
    params: { header: { 'Idempotency-Key': randomUUID() } },
    body: { lines: [{ variantId, quantity }] },
  })
}

const signedIn = answer(await api.POST('/api/v1/auth/login', { body: { email, password, app: 'inventory' } }))
api.use({
  onRequest({ request }) {
    request.headers.set('authorization', `Bearer ${signedIn.accessToken}`)
  },
})

const products = answer(await api.GET('/api/v1/products', { params: { query: { kind: 'goods', limit: 10 } } }))
const variant = products.data[0]?.variants[0]
if (variant === undefined) throw new Error('there is no product')
const placed = answer(await order(variant.id, '1'))
const { error } = await order(variant.id, '1000')
if (error?.code !== 'insufficient_stock') throw new Error('the order was not refused')
const shortage = error.shortages?.[0]
console.log(JSON.stringify({
  products: products.data.length,
  order: placed.status,
  total: placed.total,
  requested: shortage?.requested,
  available: shortage?.available,
}))
