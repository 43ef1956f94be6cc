// The way to the server: every request of the app passes through send. Paths and
// bodies are typed by the client that `npm run api` generates the types of.
import createClient, { type Client } from 'openapi-fetch'
import { answered, unanswered } from './connection'
import { Problem, problemOf } from './problem'

let toSignIn: () => void = () => undefined

/** Says what happens when the server answers that nobody is signed in. */
export function onSignedOut(go: () => void): void {
  toSignIn = go
}

/**
 * Sends a request; throws a Problem for any answer but a success, and with status 0 for none.
 * An aborted request throws its AbortError.
 */
export async function send(request: Request): Promise<Response> {
  let response: Response
  try {
    response = await fetch(request)
  } catch (cause) {
    if (request.signal.aborted) throw cause
    unanswered()
    throw new Problem({
      status: 0,
      title: 'No connection to Kalla',
      detail: 'The server did not answer.',
      hint: 'Check your network. The page goes on by itself once the server answers.',
    })
  }
  // A gateway's answer says that the server behind it is away.
  if (response.status === 502 || response.status === 504) unanswered()
  else answered()
  if (response.ok || response.status === 304) return response
  if (response.status === 401) toSignIn()
  throw await problemOf(response)
}

/** A typed client over generated paths: `const api = client<paths>()`. Its requests throw Problems. */
export function client<Paths extends object>(): Client<Paths> {
  // The server takes several values of a parameter with commas between them.
  return createClient<Paths>({
    baseUrl: '/',
    fetch: send,
    querySerializer: { array: { style: 'form', explode: false } },
  })
}

/** The body of a typed answer: `await data(api.GET('/api/runs'))`. */
export async function data<T>(answer: Promise<{ data?: T }>): Promise<T> {
  // A client over send has thrown for everything else; an answer without a body has the type undefined.
  return (await answer).data as T
}

/** A header that lets a POST be repeated: the server does the work of one key once. */
export function idempotencyKey(): { 'Idempotency-Key': string } {
  // Not randomUUID: browsers offer it on HTTPS and localhost only.
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return { 'Idempotency-Key': Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('') }
}

/** A header that lets a change fail with 412 where somebody else was first; nothing without an ETag. */
export function ifMatch(etag: string | null | undefined): { 'If-Match'?: string } {
  return etag ? { 'If-Match': etag } : {}
}

/** The cursor of the next page out of a Link header; undefined on the last page. */
export function nextCursor(response: Response): string | undefined {
  const link = /<([^>]*)>\s*;[^,]*\brel="?next"?/.exec(response.headers.get('Link') ?? '')?.[1]
  return link === undefined ? undefined : (new URL(link, 'http://host').searchParams.get('cursor') ?? undefined)
}
