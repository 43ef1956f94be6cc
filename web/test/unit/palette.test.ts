import { keyOf, keySequence, type Command } from '@/lib/commands'
import { fuzzy } from '@/lib/fuzzy'
import { findCommands } from '@/lib/palette'
import { describe, expect, test } from 'vitest'

const command = (label: string, group = 'Go to', more: Partial<Command> = {}): Command => ({
  id: label,
  label,
  group,
  run: () => undefined,
  ...more,
})
const commands = [
  command('Home'),
  command('Runs', 'Go to', { keys: 'g r' }),
  command('New reconciliation', 'Go to', { also: 'compare wizard' }),
  command('Run the recipe again', 'Run', { keys: 'r' }),
  command('Keyboard shortcuts', 'Kalla', { keys: '?' }),
]
const labels = (query: string) => findCommands(commands, query).flatMap((g) => g.found.map((f) => f.command.label))

describe('the palette', () => {
  test('an empty query finds all, in their order', () => {
    expect(findCommands(commands, '').map((g) => g.group)).toEqual(['Go to', 'Run', 'Kalla'])
    expect(labels('')).toHaveLength(5)
  })

  test('finds by letters, starts of words first', () => {
    expect(labels('run')[0]).toBe('Runs')
    expect(labels('nr')[0]).toBe('New reconciliation')
    expect(labels('again run')).toEqual(['Run the recipe again'])
    expect(labels('wizard')).toEqual(['New reconciliation'])
    expect(labels('xyz')).toEqual([])
  })

  test('marks what matched', () => {
    expect(fuzzy('rec', 'New reconciliation')?.ranges).toEqual([[4, 7]])
    expect(fuzzy('ks', 'Keyboard shortcuts')?.ranges).toEqual([
      [0, 1],
      [9, 10],
    ])
    expect(fuzzy('', 'anything')?.ranges).toEqual([])
  })
})

describe('keys', () => {
  test('one after the other, within a second', () => {
    const next = keySequence()
    expect(next('g', commands, 0)).toBeUndefined()
    expect(next('r', commands, 500)?.label).toBe('Runs')
    expect(next('r', commands, 600)?.label).toBe('Run the recipe again')
    expect(next('g', commands, 1000)).toBeUndefined()
    expect(next('r', commands, 3000)?.label).toBe('Run the recipe again')
  })

  test('are named as commands name them', () => {
    const key = (name: string, more: Partial<KeyboardEvent> = {}) =>
      keyOf({ key: name, ctrlKey: false, metaKey: false, altKey: false, ...more })
    expect(key('K', { ctrlKey: true })).toBe('mod+k')
    expect(key('k', { metaKey: true })).toBe('mod+k')
    expect(key('?')).toBe('?')
    expect(key('Shift')).toBeUndefined()
  })
})
