import {
  after,
  conversationOf,
  dropped,
  followFrom,
  grouped,
  keyText,
  reread,
  unanswered,
  type Card,
  type ChatEvent,
  type Conversation,
  type Detail,
  type Said,
  type Session,
} from '@/assistant/conversation'
import { blocks, pieces } from '@/assistant/markdown'
import { describe, expect, test } from 'vitest'

const said = (id: string, text: string, more: Partial<Said> = {}): Said => ({
  id,
  role: 'assistant',
  text,
  at: '2026-11-25T10:00:00Z',
  ...more,
})

const detail: Detail = {
  id: 'c',
  title: '',
  phase: 'intent',
  phases: [],
  status: 'working',
  spent: { input: 0, output: 0, cache_read: 0, cache_write: 0 },
  share_values: [],
  last_event: 7,
  created_at: '2026-11-25T10:00:00Z',
  updated_at: '2026-11-25T10:00:00Z',
  messages: [said('m1', 'reconcile', { role: 'user' })],
}
const session: Session = detail

const delta = (seq: number, id: string, text?: string, tool?: string): ChatEvent => ({
  seq,
  kind: 'delta',
  delta: { message_id: id, ...(text !== undefined && { text }), ...(tool !== undefined && { tool }) },
})
const fold = (c: Conversation, ...events: ChatEvent[]) => events.reduce(after, c)

describe('a conversation by its events', () => {
  const start = conversationOf(detail)

  test('an answer is written piece by piece, and then is there as a whole', () => {
    const writing = fold(
      start,
      delta(8, 'm2', 'Here '),
      delta(9, 'm2', 'it is'),
      delta(10, 'm2', undefined, 'Look at the source'),
    )
    expect(writing.draft).toEqual({ id: 'm2', text: 'Here it is', doing: 'Look at the source' })
    const whole = fold(writing, { seq: 11, kind: 'message', message: said('m2', 'Here it is.') })
    expect(whole.draft).toBeUndefined()
    expect(whole.said.map((m) => m.text)).toEqual(['reconcile', 'Here it is.'])
    expect(whole.seq).toBe(11)
  })

  test('read in the middle of an answer, what was written of it before comes again', () => {
    expect(followFrom(start)).toBe(0)
    const again = fold(
      start,
      { seq: 2, kind: 'message', message: said('m1', 'an older state', { role: 'user' }) },
      delta(5, 'm0', 'of an answer that was given up'),
      delta(6, 'm2', 'Here '),
      delta(8, 'm2', 'it is'),
    )
    expect(again.draft?.text).toBe('Here it is')
    expect(again.said[0]?.text).toBe('reconcile') // the older state changes nothing
    expect(followFrom(again)).toBe(8)
    expect(followFrom(conversationOf({ ...detail, status: 'idle' }))).toBe(7)
  })

  test('nobody answers any more: what was being written is gone', () => {
    const over = fold(start, delta(8, 'm2', 'Here'), {
      seq: 9,
      kind: 'session',
      session: { ...session, status: 'idle' },
    })
    expect(over.draft).toBeUndefined()
  })

  test('a message takes the place of the one of its id; those that are gone go', () => {
    const three = fold(
      start,
      { seq: 8, kind: 'message', message: said('m3', 'three') },
      { seq: 9, kind: 'message', message: said('m2', 'two') },
      { seq: 10, kind: 'message', message: said('m3', 'three again') },
    )
    expect(three.said.map((m) => m.text)).toEqual(['reconcile', 'two', 'three again'])
    expect(fold(three, { seq: 11, kind: 'removed', removed: ['m1', 'm3'] }).said.map((m) => m.id)).toEqual(['m2'])
  })

  test('what was read again and is older than the events changes nothing', () => {
    const now = fold(start, { seq: 12, kind: 'message', message: said('m2', 'new') })
    expect(reread(now, detail)).toBe(now)
    expect(reread(now, { ...detail, last_event: 20 }).said).toHaveLength(1)
  })

  test('an answer that broke off, or came without the model that there is, can be asked for again', () => {
    const asked = (answer: Partial<Said>, model?: string) =>
      unanswered({
        ...start,
        session: { ...session, ...(model !== undefined && { model }) },
        said: [...start.said, said('m2', 'answer', answer)],
      })?.id
    expect(asked({})).toBeUndefined()
    expect(asked({ partial: true })).toBe('m1')
    expect(asked({}, 'a-model')).toBe('m1')
    expect(asked({ by: 'a-model' }, 'a-model')).toBeUndefined()
  })
})

describe('cards', () => {
  const card = (id: string, kind: Card['kind'], more: Partial<Card> = {}): Card => ({ id, kind, open: true, ...more })

  test('pairs of records are answered in one list', () => {
    const cards = [card('1', 'match_proposal'), card('2', 'match_proposal'), card('3', 'choice')]
    expect(grouped(cards).map((g) => g.map((c) => c.id))).toEqual([['1', '2'], ['3']])
  })

  test('the button that a list of rules has itself is not shown twice', () => {
    const rules = card('1', 'rule_summary')
    const choice = (...ids: string[]) =>
      card('2', 'choice', { choice: { options: ids.map((id) => ({ id, label: id })) } })
    expect(grouped([rules, choice('agreed')])).toHaveLength(1)
    expect(grouped([rules, choice('agreed', 'suggest:x')])).toHaveLength(2)
    expect(grouped([choice('agreed')])).toHaveLength(1)
  })

  test('rules to drop are those that are unchecked now', () => {
    const rule = (id: string, gone = false) => ({ id, path: '', what: '', support: '', agree: 0, of: 0, dropped: gone })
    expect(dropped([rule('a'), rule('b', true), rule('c')], new Set(['b', 'c']))).toEqual(['c'])
  })

  test('keys of several columns', () => expect(keyText({ year: '2026', number: '17' })).toBe('2026 · 17'))
})

describe('what an assistant writes', () => {
  test('pieces of a line', () => {
    expect(pieces('write *only 2026* or **all**, `a*b*c`')).toEqual([
      { text: 'write ' },
      { text: 'only 2026', look: 'em' },
      { text: ' or ' },
      { text: 'all', look: 'strong' },
      { text: ', ' },
      { text: 'a*b*c', look: 'code' },
    ])
    expect(pieces('2 * 3 * 4')).toEqual([{ text: '2 * 3 * 4' }])
    expect(pieces('[here](https://example.com/?leak) <b>')).toEqual([{ text: '[here](https://example.com/?leak) <b>' }])
  })

  test('blocks', () => {
    expect(blocks('# Rules\nThese:\n\n- one\n- two\n\n1. first\n\nThen\n```\na | b\n')).toEqual([
      { kind: 'heading', pieces: [{ text: 'Rules' }] },
      { kind: 'text', pieces: [{ text: 'These:' }] },
      { kind: 'list', ordered: false, items: [[{ text: 'one' }], [{ text: 'two' }]] },
      { kind: 'list', ordered: true, items: [[{ text: 'first' }]] },
      { kind: 'text', pieces: [{ text: 'Then' }] },
      { kind: 'code', text: 'a | b\n' },
    ])
    expect(blocks('| a | b |\n|---|--:|\n| 1 | 2 |')).toEqual([
      { kind: 'table', head: [[{ text: 'a' }], [{ text: 'b' }]], rows: [[[{ text: '1' }], [{ text: '2' }]]] },
    ])
  })
})
