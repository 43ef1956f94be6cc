import type { Run } from '@/lib/api'
import { RowWindow, type RowSource } from '@/lib/rows'
import { after, liveOf, stagesOf, timeLeft, type RunEvent } from '@/run/live'
import {
  ageColumn,
  columnsOf,
  foldersOf,
  keyText,
  openingColumns,
  recordOf,
  tableRows,
  type Manifest,
} from '@/run/manifest'
import { filterText, rowsOf } from '@/run/records'
import { choiceOf, readView, viewOf, withChoice, writeView, type View } from '@/run/search'
import { differenceText, oneOf, whySentence, type Condition } from '@/run/words'
import { describe, expect, test, vi } from 'vitest'

describe('the address of a run', () => {
  const view: View = {
    table: 'unmatched_left',
    search: '100% ~ ! /',
    filters: [{ column: 'reason', op: 'in', values: ['taken', 'ambiguous'] }],
    sort: { column: 'due-date', descending: true },
    at: 812,
    record: { side: 'right', key: 'a/b|c\\|d' },
  }

  test('holds the whole view', () => {
    expect(readView(writeView(view))).toEqual(view)
    expect(writeView(viewOf(undefined))).toEqual({})
  })

  test('what does not fit is left out', () => {
    expect(readView({ tab: 'nothing', at: -1, sort: 7, record: 'middle/x', f: '~~', q: 42 })).toEqual({
      ...viewOf(undefined),
      search: '42',
      sort: { column: '7', descending: false },
    })
  })

  test('a choice takes the place of the one before and leaves the others', () => {
    const chosen = withChoice(view.filters, 'pass', ['exact'])
    expect(choiceOf(chosen, 'pass')).toEqual(['exact'])
    expect(withChoice(chosen, 'pass', [])).toEqual(view.filters)
  })
})

const text = { kind: 'text' }
const date = { kind: 'date' }
const typed = (...names: string[]) => names.map((name) => ({ name, type: name.endsWith('date') ? date : text }))

const manifest = {
  evidence: 'full',
  ended: '2026-11-24T00:00:00Z',
  left: { alias: 'invoices', primary_key: ['org', 'id'], schema: typed('org', 'id', 'due_date', 'invoice_date') },
  right: { alias: 'payments', primary_key: ['id'], schema: typed('id', 'right_hand') },
  recipe: { match: [{ when: [{ left: 'invoice_date', right: 'id', within: { days: 3 } }] }] },
  files: {
    'matched.parquet': {
      schema: typed(
        ...['match_id', 'pass', 'cardinality', 'confidence', 'ambiguous'],
        ...['left_org', 'left_id', 'left_due_date', 'left_invoice_date', 'right_id', 'right_right_hand', 'diff_amount'],
      ),
    },
    'unmatched_left.parquet': { schema: typed('org', 'id', 'due_date', 'invoice_date', 'reason', 'closest_key') },
  },
} as unknown as Manifest

describe('the tables of a run', () => {
  test('columns say whose they are', () => {
    expect(columnsOf(manifest, 'matched').map((c) => `${c.side ?? ''}:${c.of ?? c.name}`)).toEqual([
      ...[':match_id', ':pass', ':cardinality', ':confidence', ':ambiguous'],
      ...['left:org', 'left:id', 'left:due_date', 'left:invoice_date', 'right:id', 'right:right_hand', ':diff_amount'],
    ])
    expect(columnsOf({ ...manifest, evidence: 'keys' }, 'unmatched_left').map((c) => c.side)).toEqual([
      'left',
      'left',
      ...[undefined, undefined, undefined, undefined],
    ])
    expect(columnsOf(manifest, 'breaks')).toEqual([])
    const { 'matched.parquet': matched, ...others } = manifest.files
    const parts = {
      ...manifest,
      files: { ...others, 'matched/00000.parquet': { rows: 3 }, 'matched/00001.parquet': { rows: 4 } },
      tables: { matched: matched?.schema },
    } as unknown as Manifest
    expect(columnsOf(parts, 'matched')).toEqual(columnsOf(manifest, 'matched'))
    expect([tableRows(parts, 'matched'), tableRows(parts, 'breaks')]).toEqual([7, 0])
    expect(foldersOf(parts)).toEqual([
      { folder: 'matched', names: ['matched/00000.parquet', 'matched/00001.parquet'] },
      { folder: undefined, names: ['unmatched_left.parquet'] },
    ])
  })

  test('a row leads to its record by its whole key, written as the evidence does', () => {
    const opening = openingColumns(manifest, columnsOf(manifest, 'matched'), 'matched')
    expect(opening).toEqual(['left_org', 'left_id'])
    const row = { left_org: 'a|b', left_id: 'c\\' } as Record<string, string>
    expect(recordOf(opening, 'matched', (name) => row[name])).toEqual({ side: 'left', key: 'a\\|b|c\\\\' })
    expect(keyText(['one|alone'])).toBe('one|alone')
    expect(keyText(['a', null])).toBeUndefined()
    const rival = { side: 'right', key: 'p' } as Record<string, string>
    expect(recordOf(['side', 'key'], 'candidates', (name) => rival[name])).toEqual({ side: 'right', key: 'p' })
  })

  test('records are aged by the date that the recipe compares, else by none they lack', () => {
    expect(ageColumn(manifest, 'left')).toBe('invoice_date')
    expect(ageColumn({ ...manifest, recipe: {} }, 'left')).toBe('due_date')
    expect(ageColumn({ ...manifest, recipe: {} }, 'right')).toBeUndefined()
  })

  test('values are found by their column, and what was not asked for is not there', () => {
    const [row] = rowsOf({ columns: [{ name: 'b' }, { name: 'a' }], rows: [['1', null]] })
    expect([row?.value('b'), row?.value('a'), row?.value('c')]).toEqual(['1', null, undefined])
  })

  test('filters keep the digits of an amount, and one on an unknown column reaches the server', () => {
    const amount = { id: 'amount', label: 'Amount', kind: 'number' as const }
    expect(filterText([{ column: 'amount', op: 'gte', values: ['90071992547409931.05'] }], [amount])).toBe(
      '[{"column":"amount","op":"gte","value":"90071992547409931.05"}]',
    )
    expect(filterText([{ column: 'gone', op: 'eq', values: ['x'] }], [amount])).toContain('"gone"')
    expect(filterText([], [amount])).toBe('')
  })
})

describe('a window over records', () => {
  test('is counted once where pages do not say, and fetched again for other columns at the same place', async () => {
    let columns = 'a'
    const count = vi.fn(() => Promise.resolve(1000))
    const source: RowSource<string> = {
      seekable: true,
      pageSize: 10,
      fetch: ({ offset, limit }) =>
        Promise.resolve({ rows: Array.from({ length: limit }, (_, i) => `${columns}${offset + i}`), next: 'x' }),
      count,
    }
    const rows = new RowWindow(source)
    rows.subscribe(() => undefined)
    rows.want(0, 9)
    await vi.waitFor(() => expect(rows.view().total).toBe(1000))
    rows.want(500, 509)
    await vi.waitFor(() => expect(rows.at(505)).toBe('a505'))
    columns = 'b'
    rows.again()
    await vi.waitFor(() => expect(rows.at(505)).toBe('b505'))
    expect(count).toHaveBeenCalledTimes(1)
    expect(rows.view().total).toBe(1000)
  })
})

describe('how far a run is', () => {
  const run = { run_id: 'r', status: 'dispatched', attempt: 1, latest_progress: null } as unknown as Run
  const event = (
    status: string,
    at: number,
    progress?: { stage: string; progress: number; overall: number },
    attempt = 1,
  ) =>
    ({
      seq: at,
      run_id: 'r',
      status,
      attempt,
      at: new Date(at).toISOString(),
      ...(progress && { progress: { ...progress, updated_at: new Date(at).toISOString() } }),
    }) as RunEvent

  test('stages follow each other, and the time left follows the share that is done', () => {
    let live = liveOf(run)
    expect(stagesOf(live).map((s) => s.state)).toEqual(['waiting', 'waiting', 'waiting'])
    live = after(live, event('staging', 1000, { stage: 'staging', progress: 0, overall: 0 }))
    expect(timeLeft(live)).toBeUndefined()
    live = after(live, event('matching', 11_000, { stage: 'matching', progress: 0.25, overall: 0.25 }))
    expect(stagesOf(live).map((s) => s.state)).toEqual(['done', 'active', 'waiting'])
    expect(timeLeft(live)).toBe(30_000)
    live = after(live, event('failed', 12_000))
    expect(stagesOf(live).map((s) => s.state)).toEqual(['done', 'failed', 'waiting'])
  })

  test('an attempt more begins at nothing', () => {
    let live = after(liveOf(run), event('matching', 9000, { stage: 'matching', progress: 0.9, overall: 0.7 }))
    live = after(live, event('dispatched', 10_000, undefined, 2))
    expect(live).toEqual({ status: 'dispatched', attempt: 2, progress: undefined, since: undefined })
  })
})

describe('why a record is unmatched', () => {
  const names = { left: 'invoice', right: 'payment' }
  const condition = (part: Partial<Condition>): Condition => ({
    left: 'amount',
    right: 'paid',
    left_value: '10.00',
    right_value: '8.50',
    rule: 'amount differs from paid by at most 0.02',
    same: false,
    holds: false,
    difference: '-1.50',
    ...part,
  })

  test('a difference is told as the side sees it', () => {
    expect(differenceText(condition({}), 'left')).toBe('1.50 less')
    expect(differenceText(condition({}), 'right')).toBe('1.50 more')
    expect(differenceText(condition({ left_value: '2026-11-01', difference: '1' }), 'left')).toBe('1 day later')
    expect(differenceText(condition({ left_value: '2026-11-01', difference: '13' }), 'right')).toBe('13 days earlier')
    expect(differenceText(condition({ left_value: '2026-11-01 10:00:00', difference: '7200000000' }), 'left')).toBe(
      '2 h later',
    )
    expect(differenceText(condition({ difference: '0.00' }), 'left')).toBe('')
    expect(differenceText(condition({ difference: null }), 'left')).toBe('')
  })

  test.each([
    [
      'amount_differs',
      'PAY-1',
      null,
      'The amount of the closest payment PAY-1 differs: it is 1.50 less, which is more than the recipe allows.',
    ],
    ['taken', 'PAY-1', 'INV-9', 'The closest payment PAY-1 agrees, but is matched to invoice INV-9.'],
    ['no_candidate', null, null, 'No payment has anything in common with it that the recipe asks for.'],
    ['a_later_reason', null, null, 'a later reason.'],
  ])('%s', (reason, closestKey, takenBy, want) => {
    expect(whySentence({ side: 'left', reason, closestKey, takenBy, conditions: [condition({})] }, names)).toBe(want)
  })

  test('a record of a source has a name', () => {
    expect(['invoices', 'entries', 'bank_lines', 'bank', 'erp_press'].map(oneOf)).toEqual([
      'invoice',
      'entry',
      'bank line',
      'record of bank',
      'record of erp press',
    ])
  })
})
