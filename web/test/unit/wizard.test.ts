import type { RecipeDocument } from '@/recipes/model'
import { parameterised, suggestions, withdrawn } from '@/wizard/parameters'
import {
  begin,
  evidenceOf,
  evidenceOfPass,
  proposed,
  recipeOf,
  reduce,
  scopeOf,
  unguided,
  type Rules,
} from '@/wizard/state'
import { describe, expect, test } from 'vitest'

const recipe: RecipeDocument = {
  kalla: 1,
  recipe_id: 'a-b',
  sources: {
    left: {
      alias: 'a',
      source: 'a',
      primary_key: ['id'],
      filters: [{ column: 'day', op: 'gte', value: '2026-11-01' }],
    },
    right: { alias: 'b', source: 'b', primary_key: ['id'] },
  },
  match: [
    {
      name: 'one',
      cardinality: 'one_to_one',
      when: [
        { left: 'amount', right: 'paid', within: '0.02' },
        { left: 'day', right: 'on', within: { days: [0, 45] } },
      ],
    },
    {
      name: 'many',
      cardinality: 'one_to_many',
      when: [{ left: 'day', right: 'on', within: { days: [0, 45] } }],
      sum: { left: 'amount', right: 'paid', within: '0.02' },
    },
  ],
}

const rules: Rules = {
  scope: scopeOf({ ...begin, sources: { left: 'a', right: 'b' } }),
  evidence: [
    { id: 'a', path: 'match[1]', what: 'many', support: '500 groups', agree: 500, of: 500, counter_examples: null },
    {
      id: 'b',
      path: 'match[0].when[1]',
      what: 'days',
      support: '97.3%',
      agree: 973,
      of: 1000,
      counter_examples: ['x'],
    },
  ],
  suggestions: [],
  guidance: unguided,
  proposed: recipe.match ?? [],
  recipe,
  off: [false, false],
}

describe('the way through the wizard', () => {
  const chosen = { ...begin, sources: { left: 'a', right: 'b' } }
  const at = reduce(chosen, { do: 'propose', rules })

  test('rules are those of their sources and filters only', () => {
    expect(at.step).toBe('rules')
    expect(proposed(at)).toBe(true)
    expect(proposed(reduce(at, { do: 'swap' }))).toBe(false)
    expect(proposed(reduce(at, { do: 'choose', side: 'left', alias: 'c' }))).toBe(false)
    const scoped = reduce(at, { do: 'scope', side: 'left', filters: [{ column: 'day', op: 'not_null', values: [] }] })
    expect(proposed(scoped)).toBe(false)
    expect(proposed(reduce(scoped, { do: 'scope', side: 'left', filters: [] }))).toBe(true)
  })

  test('a pass that is off is kept, and not run', () => {
    const off = reduce(at, { do: 'switch', at: 0, on: false })
    expect(recipeOf(off.rules ?? rules).match?.map((p) => p.name)).toEqual(['many'])
    const removed = reduce(off, { do: 'remove', at: 1 })
    expect(removed.rules?.off).toEqual([true])
    expect(recipeOf(reduce(removed, { do: 'switch', at: 0, on: true }).rules ?? rules).match).toHaveLength(1)
  })

  test('choosing another source forgets its filters, not those of the other side', () => {
    const scoped = reduce(at, { do: 'scope', side: 'right', filters: [{ column: 'on', op: 'not_null', values: [] }] })
    const next = reduce(scoped, { do: 'choose', side: 'left', alias: undefined })
    expect(next.sources).toEqual({ right: 'b' })
    expect(next.filters.right).toHaveLength(1)
  })

  test('evidence is that of the proposal, as long as it says the same', () => {
    const [one, many] = recipe.match ?? []
    if (!one?.when?.[1] || !many) throw new Error('the recipe has two passes')
    expect(evidenceOfPass(rules, many)?.support).toBe('500 groups')
    expect(evidenceOfPass(rules, { ...many, name: 'new' })).toBeUndefined()
    expect(evidenceOf(rules, one, one.when[1])?.support).toBe('97.3%')
    // It is said where the condition first stands.
    expect(evidenceOf(rules, many, one.when[1])?.support).toBe('97.3%')
    expect(evidenceOf(rules, one, { ...one.when[1], within: { days: [0, 30] } })).toBeUndefined()
  })
})

describe('values that are asked for', () => {
  test('are offered once, with all their places', () => {
    expect(suggestions(recipe).map((s) => [s.name, s.type, s.value, s.paths.length])).toEqual([
      ['day', 'date', '2026-11-01', 1],
      ['tolerance', 'decimal', '0.02', 2],
      ['max_days', 'integer', '45', 2],
    ])
  })

  test('stand in every place, and go back to what they were', () => {
    const asked = suggestions(recipe).reduce(parameterised, recipe)
    expect(asked.parameters).toEqual([
      { name: 'day', type: 'date', default: '2026-11-01' },
      { name: 'tolerance', type: 'decimal', default: '0.02' },
      { name: 'max_days', type: 'integer', default: '45' },
    ])
    expect(asked.match?.[1]?.sum?.within).toBe('${tolerance}')
    expect(asked.match?.[1]?.when?.[0]?.within).toEqual({ days: [0, '${max_days}'] })
    expect(suggestions(asked)).toEqual([])
    expect(['day', 'tolerance', 'max_days'].reduce(withdrawn, asked)).toEqual(recipe)
  })

  test('are not called like one that is there', () => {
    const other = { ...recipe, parameters: [{ name: 'tolerance', type: 'text', default: 'x' }] }
    expect(suggestions(other).map((s) => s.name)).toEqual(['day', 'tolerance_2', 'max_days'])
  })
})
