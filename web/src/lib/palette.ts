import type { Command } from './commands'
import { fuzzy, type Hit } from './fuzzy'

/** A command that matches, and where. */
export interface Found {
  command: Command
  ranges: Hit['ranges']
}

/**
 * The commands that match a query, in groups: the best group first, the best command first in it. An empty query
 * finds all, in their order. Words of `also` count less and mark nothing.
 */
export function findCommands(commands: readonly Command[], query: string): { group: string; found: Found[] }[] {
  const groups = new Map<string, { best: number; found: (Found & { score: number })[] }>()
  for (const command of commands) {
    const hit = fuzzy(query, command.label)
    const other = hit ? undefined : fuzzy(query, `${command.label} ${command.also ?? ''}`)
    const score = hit?.score ?? (other ? other.score - 20 : undefined)
    if (score === undefined) continue
    const group = groups.get(command.group) ?? { best: -Infinity, found: [] }
    group.found.push({ command, ranges: hit?.ranges ?? [], score: query ? score : 0 })
    group.best = Math.max(group.best, query ? score : 0)
    groups.set(command.group, group)
  }
  return [...groups]
    .sort(([, a], [, b]) => b.best - a.best)
    .map(([group, { found }]) => ({
      group,
      found: found.sort((a, b) => b.score - a.score).map(({ command, ranges }) => ({ command, ranges })),
    }))
}
