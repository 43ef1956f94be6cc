import { eventParser, follow, type StreamEvent, type StreamState } from '@/lib/events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test, vi } from 'vitest'

describe('the parser of events', () => {
  const read = (...chunks: string[]) => {
    const events: StreamEvent[] = []
    const parser = eventParser((event) => events.push(event))
    for (const chunk of chunks) parser.push(chunk)
    return { events, parser }
  }

  test('takes a stream cut anywhere', () => {
    const text = ': hello\r\nid: 7\r\nevent: progress\r\ndata: {"a":\r\ndata: 1}\r\n\r\ndata:x\n\nretry: 50\n\n'
    const whole = read(text)
    expect(whole.events).toEqual([
      { id: '7', name: 'progress', data: '{"a":\n1}' },
      { id: '7', name: 'message', data: 'x' },
    ])
    expect(whole.parser.retry).toBe(50)
    for (let cut = 0; cut <= text.length; cut++)
      expect(read(text.slice(0, cut), text.slice(cut)).events).toEqual(whole.events)
  })

  test('an event that is not finished is none', () => {
    expect(read('id: 1\ndata: half').events).toEqual([])
  })
})

let server: Server | undefined
let stop: (() => void) | undefined
afterEach(() => {
  stop?.()
  server?.closeAllConnections()
  server?.close()
  vi.unstubAllGlobals()
})

async function serve(handle: (request: IncomingMessage, response: ServerResponse, nth: number) => void): Promise<void> {
  let nth = 0
  server = createServer((request, response) => handle(request, response, ++nth))
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve))
  vi.stubGlobal('location', { href: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` })
}

function start(options: { staleAfter?: number } = {}) {
  const events: StreamEvent[] = []
  const states: StreamState[] = []
  stop = follow('/events', {
    retryAfter: 5,
    ...options,
    onEvent: (event) => events.push(event),
    onState: (state) => states.at(-1) === state || states.push(state),
  })
  return { events, states }
}

const stream = (response: ServerResponse) => response.writeHead(200, { 'Content-Type': 'text/event-stream' })
const until = (holds: () => void) => vi.waitFor(holds, { timeout: 10_000, interval: 5 })

describe('following a stream', () => {
  test('goes on after the last event when the line breaks, and ends when the server says so', async () => {
    const resumed: (string | undefined)[] = []
    await serve((request, response, nth) => {
      resumed.push(request.headers['last-event-id'] as string | undefined)
      if (nth === 1) {
        stream(response).write('id: 1\ndata: a\n\nid: 2\ndata: b\n\n')
        setTimeout(() => response.destroy(), 20)
      } else if (nth === 2) stream(response).end('id: 3\ndata: c\n\n')
      else response.writeHead(204).end()
    })
    const { events, states } = start()
    await until(() => expect(states.at(-1)).toBe('ended'))
    expect(events.map((e) => e.data)).toEqual(['a', 'b', 'c'])
    expect(resumed).toEqual([undefined, '2', '3'])
    expect(states).toEqual(['connecting', 'open', 'retrying', 'open', 'retrying', 'ended'])
  })

  test('waits for a server that is busy, and gives up on one that refuses', async () => {
    await serve((_, response, nth) => {
      if (nth < 3) response.writeHead(503).end()
      else
        response.writeHead(404, { 'Content-Type': 'application/problem+json' }).end('{"detail":"There is no run x."}')
    })
    const { states } = start()
    await until(() => expect(states).toEqual(['connecting', 'retrying', 'failed']))
  })

  test('opens a silent stream anew, and takes a heartbeat for a sign of life', async () => {
    await serve((_, response, nth) => {
      if (nth === 1) stream(response).write(': hello\n\n')
      else {
        stream(response).write('id: 1\ndata: alive\n\n')
        const beat = setInterval(() => response.write(': beat\n\n'), 20)
        response.on('close', () => clearInterval(beat))
      }
    })
    const { events, states } = start({ staleAfter: 400 })
    await until(() => expect(events).toHaveLength(1))
    expect(states).toEqual(['connecting', 'open', 'stale', 'retrying', 'open'])
  })

  test('stops when it is told to', async () => {
    let closed = false
    await serve((_, response) => {
      stream(response).write('data: a\n\n')
      response.on('close', () => (closed = true))
    })
    const { events } = start()
    await until(() => expect(events).toHaveLength(1))
    stop?.()
    await until(() => expect(closed).toBe(true))
  })
})
