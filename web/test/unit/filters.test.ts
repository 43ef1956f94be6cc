import {
  arity,
  decode,
  describe as words,
  encode,
  fault,
  kindOf,
  opsOf,
  toApi,
  type Filter,
  type FilterColumn,
} from '@/lib/filters'
import { describe, expect, test } from 'vitest'

const amount: FilterColumn = { id: 'amount', label: 'Amount', kind: 'number', nullable: true }
const day: FilterColumn = { id: 'day', label: 'Booked', kind: 'date' }
const text: FilterColumn = { id: 'text', label: 'Text', kind: 'text' }
const reason: FilterColumn = {
  id: 'reason',
  label: 'Reason',
  kind: 'choice',
  choices: [{ value: 'taken', label: 'Taken' }],
}

describe('filters', () => {
  test('survive an address, whatever their values', () => {
    const filters: Filter[] = [
      { column: 'amount', op: 'between', values: ['10.00', '20.50'] },
      { column: 'a~b', op: 'in', values: ['100%', 'x!y', '~', 'ü & = #'] },
      { column: 'note', op: 'is_null', values: [] },
      { column: 'note', op: 'eq', values: [''] },
    ]
    const address = new URLSearchParams({ filter: encode(filters) }).toString()
    expect(decode(new URLSearchParams(address).get('filter') ?? '')).toEqual(filters)
    expect(decode('')).toEqual([])
    expect(decode('amount~sounds_like~x!~!amount~gt~5')).toEqual([{ column: 'amount', op: 'gt', values: ['5'] }])
  })

  test('go to the API with their values as texts', () => {
    expect(toApi({ column: 'amount', op: 'gte', values: ['0.10'] }, amount)).toEqual({
      column: 'amount',
      op: 'gte',
      value: '0.10',
    })
    expect(toApi({ column: 'amount', op: 'between', values: ['1', '2'] }, amount)).toEqual({
      column: 'amount',
      op: 'between',
      value: ['1', '2'],
    })
    expect(toApi({ column: 'reason', op: 'in', values: ['taken'] }, reason)).toEqual({
      column: 'reason',
      op: 'in',
      value: ['taken'],
    })
    expect(toApi({ column: 'amount', op: 'not_null', values: [] }, amount)).toEqual({
      column: 'amount',
      op: 'not_null',
    })
    expect(toApi({ column: 'text', op: 'like', values: ['50%_\\'] }, text).value).toBe('%50\\%\\_\\\\%')
    expect(toApi({ column: 'ok', op: 'eq', values: ['true'] }, { id: 'ok', label: 'OK', kind: 'boolean' }).value).toBe(
      true,
    )
  })

  test('say what is wrong with a value', () => {
    expect(fault({ column: 'amount', op: 'gt', values: ['1,000'] }, amount)).toContain('1234.50')
    expect(fault({ column: 'amount', op: 'between', values: ['1', ''] }, amount)).toBe('Both values are needed.')
    expect(fault({ column: 'day', op: 'gte', values: ['3.11.2026'] }, day)).toContain('2026-11-30')
    expect(fault({ column: 'reason', op: 'in', values: [] }, reason)).toBe('A value is needed.')
    expect(fault({ column: 'amount', op: 'is_null', values: [] }, amount)).toBeUndefined()
    expect(fault({ column: 'day', op: 'gte', values: ['2026-11-03'] }, day)).toBeUndefined()
  })

  test('read as words', () => {
    expect(words({ column: 'reason', op: 'in', values: ['taken', 'other'] }, reason)).toEqual({
      label: 'Reason',
      op: 'is one of',
      value: 'Taken, other',
    })
    expect(words({ column: 'day', op: 'gte', values: ['2026-11-03'] }, day).op).toBe('is on or after')
  })

  test('offer what fits the type', () => {
    expect(
      ['integer', 'decimal(18,2)', 'float', 'date', 'timestamptz', 'boolean', 'text', 'other'].map(kindOf),
    ).toEqual(['number', 'number', 'number', 'date', 'timestamp', 'boolean', 'text', 'text'])
    expect(opsOf(day)).not.toContain('like')
    expect(opsOf(amount)).toContain('is_null')
    expect(opsOf(text)).not.toContain('is_null')
    expect([arity('between'), arity('in'), arity('is_null'), arity('eq')]).toEqual([2, Infinity, 0, 1])
  })
})
