import { readRunsSearch } from '@/runs/search'
import { browserOf } from '@/settings/browser'
import { withinApp } from '@/pages/sign-in'
import { listRows } from '@/lib/api'
import { describe, expect, test } from 'vitest'

describe('where one goes on after signing in', () => {
  test.each(['/', '/runs?state=failed', '/runs/r1/records/left/a%2Fb'])('%s is of the app', (next) =>
    expect(withinApp(next)).toBe(next),
  )
  test.each([undefined, '', 'runs', '//evil.example', '/\\evil.example', 'https://evil.example', '/a\\b'])(
    '%s is not',
    (next) => expect(withinApp(next)).toBe('/'),
  )
})

describe('the address of the list of runs', () => {
  test('is read', () =>
    expect(readRunsSearch({ state: 'failed', recipe: 'bank', days: 7 })).toEqual({
      state: 'failed',
      recipe: 'bank',
      days: 7,
    }))
  test('what does not fit is left out', () =>
    expect(readRunsSearch({ state: 'toString', recipe: '', days: -1, other: 'x' })).toEqual({}))
})

test.each([
  [
    'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0',
    'Edge on Windows',
  ],
  [
    'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.5 Safari/605.1.15',
    'Safari on macOS',
  ],
  [
    'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1 CriOS/140.0 Mobile Safari/604.1',
    'Chrome on iOS',
  ],
  ['Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', 'Firefox on Linux'],
  ['Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36', 'Chrome on Android'],
  [
    'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/140.0 Safari/537.36',
    'Chrome on Linux',
  ],
  ['curl/8.14.1', 'curl/8.14.1'],
  ['', 'Unknown'],
])('%s is called %s', (agent, name) => expect(browserOf(agent)).toBe(name))

test('a list of the API is read page by page', async () => {
  const asked: unknown[] = []
  const rows = listRows((query) => {
    asked.push(query)
    const next = '</api/runs?cursor=c2&limit=2>; rel="next"'
    return Promise.resolve({
      data: asked.length === 1 ? ['a', 'b'] : null,
      response: new Response('', { headers: asked.length === 1 ? { Link: next } : {} }),
    })
  }, 2)
  const { signal } = new AbortController()
  expect(await rows.fetch({ offset: 0, cursor: undefined, limit: 2, signal })).toEqual({ rows: ['a', 'b'], next: 'c2' })
  expect(await rows.fetch({ offset: 2, cursor: 'c2', limit: 2, signal })).toEqual({ rows: [], next: undefined })
  expect(asked).toEqual([{ limit: 2 }, { limit: 2, cursor: 'c2' }])
})
