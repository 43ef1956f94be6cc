import { answersOf, conditionOf, faultsOf, newCondition } from '@/recipes/condition'
import { sideBySide } from '@/recipes/lines'
import { freeId, isRecipe, moved, readExact, replaced, settled, slug, type Condition } from '@/recipes/model'
import { parameterFaults } from '@/recipes/parameters-form'
import { targetFault } from '@/recipes/run-dialog'
import { conditionText } from '@/recipes/words'
import { describe, expect, test } from 'vitest'

describe('a recipe read from JSON', () => {
  test('keeps every digit of a decimal', () => {
    const json = '{"within":0.123456789012345678901234567890,"max":8,"big":12345678901234567890,"text":"a \\" 1.50"}'
    expect(readExact(json)).toEqual({
      text: 'a " 1.50',
      within: '0.123456789012345678901234567890',
      max: 8,
      big: '12345678901234567890',
    })
  })

  test('is changed by forms only where it has the shape of one', () => {
    const sources = { left: { alias: 'a', primary_key: ['id'] }, right: { alias: 'b', primary_key: ['id'] } }
    expect(isRecipe({ sources, match: [{ when: [] }] })).toBe(true)
    expect(isRecipe({ sources, match: null, match_sql: 'SELECT 1' })).toBe(true)
    expect(isRecipe({ sources, match: [{ when: 'x' }] })).toBe(false)
    expect(isRecipe({ sources, match: [null] })).toBe(false)
    expect(isRecipe({ sources: { left: sources.left } })).toBe(false)
    expect(isRecipe('x')).toBe(false)
  })
})

describe('a condition', () => {
  const written: [Condition, string][] = [
    [{ left: 'a', right: 'b' }, 'a equals b'],
    [
      { left: 'a', right: 'b', op: 'prefix_of', normalize: ['alnum'] },
      'a is the beginning of b (letters and digits only)',
    ],
    [{ left: 'a', right: 'b', within: '0.02' }, 'a and b differ by at most 0.02'],
    [{ left: 'a', right: 'b', within: '2%' }, 'a and b differ by at most 2%'],
    [{ left: 'a', right: 'b', within: { days: [0, 45] } }, 'b is 0 to 45 days after a'],
    [{ left: 'a', right: 'b', within: { hours: ['${from}', 12] } }, 'b is ${from} to 12 hours after a'],
    [{ left: 'a', right: 'b', similar: '0.9', method: 'token_set' }, 'a is at least 0.9 similar to b'],
  ]
  test.each(written)('%j is %s, and the same after its form', (condition, words) => {
    expect(conditionText(condition)).toBe(words)
    expect(faultsOf(answersOf(condition))).toEqual({})
    expect(conditionOf(answersOf(condition))).toEqual(condition)
  })

  test('a window of one number reaches both ways', () => {
    expect(conditionOf(answersOf({ left: 'a', right: 'b', within: { days: 3 } }))).toEqual({
      left: 'a',
      right: 'b',
      within: { days: [-3, 3] },
    })
  })

  test('says what is wrong with its form', () => {
    const form = { ...newCondition, left: 'a', right: 'b' }
    expect(faultsOf(newCondition)).toHaveProperty('left')
    expect(faultsOf({ ...form, kind: 'amount', amount: '1,5' })).toHaveProperty('amount')
    expect(faultsOf({ ...form, kind: 'amount', amount: '-1' })).toHaveProperty('amount')
    expect(faultsOf({ ...form, kind: 'amount', amount: '${tolerance}' })).toEqual({})
    expect(faultsOf({ ...form, kind: 'days', from: '5', to: '-5' })).toHaveProperty('to')
    expect(faultsOf({ ...form, kind: 'similar', similar: '0' })).toHaveProperty('similar')
    expect(faultsOf({ ...form, kind: 'similar', similar: '1.1' })).toHaveProperty('similar')
    expect(faultsOf({ ...form, kind: 'similar', similar: '1' })).toEqual({})
  })
})

test('a pass loses what its cardinality does not have', () => {
  expect(
    settled({
      cardinality: 'one_to_one',
      when: [{ left: 'a', right: 'b' }],
      sum: { left: 'a', right: 'b' },
      subset: { max: 4 },
      prefer: ['a'],
    }),
  ).toEqual({ cardinality: 'one_to_one', when: [{ left: 'a', right: 'b' }] })
  const kept = { cardinality: 'one_to_many', when: [{ left: 'a', right: 'b', within: '1' }], prefer: ['b'] }
  expect(settled(kept)).toEqual(kept)
})

test('lists are changed without changing them', () => {
  const list = ['a', 'b', 'c']
  expect(replaced(list, 1, 'x')).toEqual(['a', 'x', 'c'])
  expect(replaced(list, 1, undefined)).toEqual(['a', 'c'])
  expect(moved(list, 0, 1)).toEqual(['b', 'a', 'c'])
  expect(moved(list, 0, -1)).toEqual(list)
  expect(list).toEqual(['a', 'b', 'c'])
})

test('names become ids', () => {
  expect(slug('Bänk to  Ledger (2026)')).toBe('ba-nk-to-ledger-2026')
  expect(freeId('x', new Set(['x', 'x-2']))).toBe('x-3')
})

describe('texts side by side', () => {
  test('equal lines stand beside each other, changed ones too', () => {
    const rows = sideBySide('a\nb\nc\n', 'a\nx\ny\nc\n')
    expect(rows.map((r) => [r.left, r.right, r.same])).toEqual([
      ['a', 'a', true],
      ['b', 'x', false],
      [undefined, 'y', false],
      ['c', 'c', true],
    ])
    expect(rows.at(-1)).toMatchObject({ leftLine: 3, rightLine: 4 })
  })

  test('both texts come out whole', () => {
    const before = 'k: 1\nl:\n  - a\n  - b\n  - c\nm: 2'
    const after = 'k: 1\nl:\n  - b\n  - d\n  - c\nn: 3'
    const rows = sideBySide(before, after)
    expect(rows.flatMap((r) => r.left ?? []).join('\n')).toBe(before)
    expect(rows.flatMap((r) => r.right ?? []).join('\n')).toBe(after)
    expect(rows.filter((r) => r.same)).toHaveLength(4)
  })
})

test('values of parameters are read by their types', () => {
  const parameters = [
    { name: 'tolerance', type: 'decimal', default: '0.02' },
    { name: 'days', type: 'integer', default: '3' },
    { name: 'from', type: 'date', required: true },
  ]
  expect(parameterFaults(parameters, {})).toEqual({ from: 'A value is needed.' })
  expect(Object.keys(parameterFaults(parameters, { tolerance: '0,02', days: '1.5', from: '30.11.2026' }))).toEqual([
    'tolerance',
    'days',
    'from',
  ])
  expect(parameterFaults(parameters, { tolerance: '0.05', days: '-1', from: '2026-11-30' })).toEqual({})
})

test.each([
  ['', true],
  ['95%', true],
  ['99.5%', true],
  ['0.95', true],
  ['1', true],
  ['101%', false],
  ['95', false],
  ['all', false],
])('a target of %j is right: %j', (target, right) => {
  expect(targetFault(target) === undefined).toBe(right)
})
