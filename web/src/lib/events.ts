// Server-sent events over fetch. The browser's EventSource can neither resume
// after an error answer with the last id in a header, nor see the comments that
// keep a quiet stream alive, nor tell a 401 from a broken line.
import { useEffect, useEffectEvent, useState } from 'react'
import { send } from './http'
import { asProblem, type Problem } from './problem'

/** One event of a stream. */
export interface StreamEvent {
  id: string
  /** Its name; "message" where the server gave none. */
  name: string
  data: string
}

/** connecting, open, stale (open, but silent too long), retrying after a failure, ended by the server, or failed for good. */
export type StreamState = 'connecting' | 'open' | 'stale' | 'retrying' | 'ended' | 'failed'

/** Cuts a stream of text into events. `retry` is set when the server names a delay. */
export function eventParser(emit: (event: StreamEvent) => void) {
  let rest = ''
  let id = ''
  let name = ''
  let data: string[] = []
  const parser = {
    retry: undefined as number | undefined,
    push(text: string) {
      rest += text
      // A \r at the very end may be half of a \r\n.
      const lines = rest.split(/\r\n|\n|\r(?!$)/)
      rest = lines.pop() ?? ''
      for (const line of lines) take(line)
    },
  }
  function take(line: string) {
    if (line === '') {
      if (data.length > 0) emit({ id, name: name || 'message', data: data.join('\n') })
      name = ''
      data = []
      return
    }
    const colon = line.indexOf(':')
    const field = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')
    if (field === 'data') data.push(value)
    else if (field === 'event') name = value
    else if (field === 'id' && !value.includes('\0')) id = value
    else if (field === 'retry' && /^\d+$/.test(value)) parser.retry = Number(value)
  }
  return parser
}

/** How a stream is followed. */
export interface StreamOptions {
  onEvent: (event: StreamEvent) => void
  onState: (state: StreamState, problem?: Problem) => void
  /** Milliseconds of silence, heartbeats included, after which a stream is stale, and after twice of which it is opened anew. */
  staleAfter?: number
  /** The first delay before trying again, in milliseconds; it doubles to half a minute. */
  retryAfter?: number
  /** The id after which to start. */
  lastEventId?: string
}

/**
 * Follows a stream until stopped: opens it again with Last-Event-ID when it breaks, so that no event is missed.
 * A stream that the server ends with 204, as for a run that is over, is not opened again; nor is one that is refused (4xx).
 */
export function follow(url: string, options: StreamOptions): () => void {
  const { staleAfter = 30_000, retryAfter = 1000, onState } = options
  const stop = new AbortController()
  let last = options.lastEventId ?? ''
  let delay = retryAfter

  async function once(): Promise<boolean> {
    const line = new AbortController()
    const cancel = () => line.abort()
    stop.signal.addEventListener('abort', cancel)
    let quiet: ReturnType<typeof setTimeout> | undefined
    const heard = () => {
      clearTimeout(quiet)
      quiet = setTimeout(() => {
        onState('stale')
        quiet = setTimeout(cancel, staleAfter)
      }, staleAfter)
    }
    try {
      heard()
      const headers: Record<string, string> = { Accept: 'text/event-stream' }
      if (last) headers['Last-Event-ID'] = last
      const request = new Request(new URL(url, location.href), { headers, signal: line.signal, cache: 'no-store' })
      const response = await send(request)
      if (response.status === 204 || !response.body) return true
      onState('open')
      const parser = eventParser((event) => {
        last = event.id || last
        delay = retryAfter
        options.onEvent(event)
      })
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
      for (;;) {
        const { done, value } = await reader.read()
        if (done) return false
        heard()
        onState('open')
        parser.push(value)
        if (parser.retry !== undefined) delay = parser.retry
      }
    } finally {
      clearTimeout(quiet)
      stop.signal.removeEventListener('abort', cancel)
    }
  }

  // Whether the stream is over, or why it broke.
  async function attempt(): Promise<{ over: boolean; problem?: Problem }> {
    try {
      return { over: await once() }
    } catch (cause) {
      return { over: false, problem: asProblem(cause) }
    }
  }

  const stopped = () => stop.signal.aborted

  async function run() {
    onState('connecting')
    while (!stopped()) {
      const { over, problem } = await attempt()
      if (stopped()) return
      if (over || refused(problem)) {
        onState(over ? 'ended' : 'failed', problem)
        return
      }
      onState('retrying', problem)
      await pause(Math.max(delay * (0.75 + Math.random() / 2), problem?.retryAfter ?? 0), stop.signal)
      delay = Math.min(delay * 2, 30_000)
    }
  }
  void run()
  return () => stop.abort()
}

// Asking again would be answered the same.
function refused(problem: Problem | undefined): boolean {
  return (
    problem !== undefined &&
    problem.status >= 400 &&
    problem.status < 500 &&
    problem.status !== 408 &&
    problem.status !== 429
  )
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal.addEventListener('abort', done)
  })
}

/** Follows the events of a URL while the component is there; undefined follows nothing. */
export function useEvents(
  url: string | undefined,
  onEvent: (event: StreamEvent) => void,
  options: Pick<StreamOptions, 'staleAfter' | 'retryAfter'> = {},
): { state: StreamState; problem: Problem | undefined } {
  const [status, setStatus] = useState<{ state: StreamState; problem: Problem | undefined }>({
    state: 'connecting',
    problem: undefined,
  })
  const emit = useEffectEvent(onEvent)
  const { staleAfter, retryAfter } = options
  useEffect(() => {
    if (url === undefined) return
    return follow(url, {
      onEvent: (event) => emit(event),
      onState: (state, problem) =>
        setStatus((was) => (was.state === state && was.problem === problem ? was : { state, problem })),
      ...(staleAfter !== undefined && { staleAfter }),
      ...(retryAfter !== undefined && { retryAfter }),
    })
  }, [url, staleAfter, retryAfter])
  return status
}
