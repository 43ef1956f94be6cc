import { connection, probe } from '@/lib/connection'
import { client, data, idempotencyKey, ifMatch, nextCursor, onSignedOut, send } from '@/lib/http'
import { asProblem, Problem } from '@/lib/problem'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test, vi } from 'vitest'

let server: Server | undefined
afterEach(() => {
  server?.closeAllConnections()
  server?.close()
})

async function serve(handle: RequestListener): Promise<string> {
  server = createServer(handle)
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const failure = async (request: Request) => asProblem(await send(request).catch((cause: unknown) => cause))

describe('requests', () => {
  test('a problem body becomes a problem', async () => {
    const url = await serve((_, response) =>
      response.writeHead(422, { 'Content-Type': 'application/problem+json' }).end(
        JSON.stringify({
          title: 'Unprocessable Entity',
          status: 422,
          detail: 'The source was not saved.',
          hint: 'Mend the fields.',
          errors: [{ location: 'body.alias', message: 'is taken', value: 'x' }, 'odd'],
        }),
      ),
    )
    const problem = await failure(new Request(`${url}/api/sources`))
    expect(problem).toMatchObject({
      status: 422,
      message: 'The source was not saved.',
      hint: 'Mend the fields.',
      offline: false,
    })
    expect(problem.faults).toEqual([{ location: 'body.alias', message: 'is taken' }])
    expect(problem.faultOf('alias')).toBe('is taken')
    expect(problem.faultOf('uri')).toBeUndefined()
  })

  test('an answer that is no problem body still says something', async () => {
    const url = await serve((_, response) => response.writeHead(500).end('<html>'))
    expect(await failure(new Request(url))).toMatchObject({ status: 500, title: 'The server failed' })
  })

  test('says when to come again', async () => {
    const url = await serve((_, response) => response.writeHead(429, { 'Retry-After': '7' }).end())
    expect((await failure(new Request(url))).retryAfter).toBe(7000)
  })

  test('without an answer the connection is lost, with the next it is back', async () => {
    const url = await serve((_, response) => response.end('ok'))
    server?.closeAllConnections()
    await new Promise((resolve) => server?.close(resolve))
    const problem = await failure(new Request(url))
    expect(problem).toMatchObject({ status: 0, offline: true })
    expect(connection()).toBe('lost')
    const back = await serve((_, response) => response.end('ok'))
    await send(new Request(back))
    expect(connection()).toBe('up')
  })

  test('the connection comes back by itself', async () => {
    vi.stubGlobal('fetch', () => Promise.reject(new TypeError('network')))
    await probe()
    expect(connection()).toBe('lost')
    vi.stubGlobal('fetch', () => Promise.resolve(new Response('ok')))
    await vi.waitFor(() => expect(connection()).toBe('up'), { timeout: 10_000 })
    vi.unstubAllGlobals()
  })

  test('an abandoned request is no failure of the connection', async () => {
    const url = await serve(() => undefined)
    const abort = new AbortController()
    const sent = send(new Request(url, { signal: abort.signal }))
    abort.abort()
    await expect(sent).rejects.toMatchObject({ name: 'AbortError' })
    expect(connection()).toBe('up')
  })

  test('who is signed out is sent to sign in', async () => {
    const go = vi.fn()
    onSignedOut(go)
    const url = await serve((_, response) => response.writeHead(401).end())
    expect((await failure(new Request(url))).status).toBe(401)
    expect(go).toHaveBeenCalledOnce()
  })

  test('a typed client answers the body, or throws', async () => {
    const url = await serve((request, response) => {
      if (request.url === '/api/runs') response.setHeader('Content-Type', 'application/json').end('[{"run_id":"r1"}]')
      else response.writeHead(404).end()
    })
    type Paths = Record<
      '/api/runs' | '/api/none',
      { get: { responses: { 200: { content: { 'application/json': { run_id: string }[] } } } } }
    >
    const api = client<Paths>()
    expect(await data(api.GET('/api/runs', { baseUrl: url }))).toEqual([{ run_id: 'r1' }])
    await expect(data(api.GET('/api/none', { baseUrl: url }))).rejects.toBeInstanceOf(Problem)
  })

  test('headers', () => {
    const [a, b] = [idempotencyKey(), idempotencyKey()]
    expect(a['Idempotency-Key']).toMatch(/^[0-9a-f]{32}$/)
    expect(a).not.toEqual(b)
    expect(ifMatch('"3"')).toEqual({ 'If-Match': '"3"' })
    expect(ifMatch(null)).toEqual({})
    const linked = (link: string) => nextCursor(new Response(null, { headers: { Link: link } }))
    expect(linked('</api/runs?limit=2&cursor=abc%3D>; rel="next"')).toBe('abc=')
    expect(linked('</api/runs?cursor=a>; rel="prev", </api/runs?cursor=b>; rel="next"')).toBe('b')
    expect(linked('</api/runs?cursor=a>; rel="prev"')).toBeUndefined()
    expect(nextCursor(new Response())).toBeUndefined()
  })
})
