/** One thing wrong with a request: location is the field ("body.uri"), message what is wrong with its value. */
export interface Fault {
  location: string
  message: string
  /** What to write instead; empty where the message says it. */
  hint?: string
}

/**
 * Why a request failed: the RFC 9457 body of an answer, or, with status 0, that none came.
 * `message` is the detail, in a sentence; `hint` says what to do about it.
 */
export class Problem extends Error {
  readonly status: number
  readonly title: string
  readonly code: string
  readonly hint: string
  readonly faults: readonly Fault[]
  /** Milliseconds after which the server wants to be asked again. */
  readonly retryAfter: number | undefined

  constructor(about: {
    status: number
    title: string
    detail?: string
    code?: string
    hint?: string
    faults?: Fault[]
    retryAfter?: number
  }) {
    super(about.detail ?? about.title)
    this.name = 'Problem'
    this.status = about.status
    this.title = about.title
    this.code = about.code ?? ''
    this.hint = about.hint ?? ''
    this.faults = about.faults ?? []
    this.retryAfter = about.retryAfter
  }

  /** Whether no answer came: the network, or the server is away. */
  get offline(): boolean {
    return this.status === 0
  }

  /** The fault of a form's field, by the last part of its location, with what to do about it. */
  faultOf(field: string): string | undefined {
    const fault = this.faults.find((f) => f.location === field || f.location.endsWith(`.${field}`))
    return fault && [fault.message, fault.hint].filter(Boolean).join(': ')
  }
}

const titles: Record<number, string> = {
  401: 'You are not signed in',
  403: 'You may not do this',
  404: 'This is not there',
  409: 'Somebody else changed this',
  412: 'Somebody else changed this',
  413: 'This is too large',
  422: 'Something in the request is wrong',
  429: 'Too many requests',
  502: 'The server is not reachable',
  503: 'The server is busy',
  504: 'The server took too long',
}

const hints: Record<number, string> = {
  403: 'Ask an administrator for the permission.',
  409: 'Load it again, then repeat your change.',
  412: 'Load it again, then repeat your change.',
  429: 'Wait a moment, then try again.',
}

const text = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined)

/** Reads the problem out of an answer that is no success. */
export async function problemOf(response: Response): Promise<Problem> {
  const body: unknown = await response.json().catch(() => undefined)
  const fields = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>
  const { status } = response
  const faults = Array.isArray(fields['errors']) ? fields['errors'].flatMap(faultOf) : []
  const hint = text(fields['hint']) ?? hints[status]
  const detail = text(fields['detail']) ?? text(fields['error'])
  const code = text(fields['code'])
  const retryAfter = Number(response.headers.get('Retry-After')) * 1000
  return new Problem({
    status,
    title: titles[status] ?? text(fields['title']) ?? (status >= 500 ? 'The server failed' : 'The request was refused'),
    faults,
    ...(detail !== undefined && { detail }),
    ...(hint !== undefined && { hint }),
    ...(code !== undefined && { code }),
    ...(retryAfter > 0 && { retryAfter }),
  })
}

function faultOf(entry: unknown): Fault[] {
  if (typeof entry !== 'object' || entry === null) return []
  const fields = entry as Record<string, unknown>
  const { location, message } = fields
  const hint = text(fields['hint'])
  if (typeof message !== 'string') return []
  return [{ location: text(location) ?? '', message, ...(hint !== undefined && { hint }) }]
}

/** Any thrown value as a problem, for showing. */
export function asProblem(cause: unknown): Problem {
  if (cause instanceof Problem) return cause
  return new Problem({
    status: -1,
    title: 'Something went wrong on this page',
    detail: cause instanceof Error ? cause.message : String(cause),
    hint: 'Reload the page. If it stays, send this text to whoever runs Kalla.',
  })
}
