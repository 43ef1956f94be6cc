import { api } from '@/lib/api'
import type { Command } from '@/lib/commands'
import { percent } from '@/lib/format'
import { data } from '@/lib/http'
import type { Find } from '@/shell/palette'
import { sourcesQuery } from '@/sources/api'
import type { QueryClient } from '@tanstack/react-query'

/** Finds recipes, their latest runs and sources by name, for the palette. */
export function find(queries: QueryClient, go: (path: string) => void): Find {
  return async (typed, signal) => {
    const [overview, registered] = await Promise.all([
      queries.query({
        queryKey: ['overview'],
        queryFn: () => data(api.GET('/api/overview', { signal })),
        staleTime: 30_000,
      }),
      queries.query({ ...sourcesQuery, staleTime: 30_000 }),
    ])
    const words = typed.toLowerCase().split(/\s+/)
    const matches = (...texts: (string | undefined)[]) => {
      const text = texts.join(' ').toLowerCase()
      return words.every((word) => text.includes(word))
    }
    const recipes: Command[] = (overview.recipes ?? [])
      .filter((recipe) => matches(recipe.name, recipe.recipe_id, recipe.left, recipe.right))
      .map((recipe) => ({
        id: `recipe ${recipe.recipe_id}`,
        group: 'Recipes',
        label: recipe.name,
        run: () => go(`/recipes/${encodeURIComponent(recipe.recipe_id)}`),
      }))
    const runs: Command[] = (overview.recent ?? [])
      .filter((run) => matches(run.recipe_name, run.run_id, run.status))
      .map((run) => ({
        id: `run ${run.run_id}`,
        group: 'Runs',
        label: [
          run.recipe_name || run.run_id,
          run.match_rate === undefined ? run.status : percent(run.match_rate),
        ].join(' · '),
        run: () => go(`/runs/${encodeURIComponent(run.run_id)}`),
      }))
    const sources: Command[] = registered
      .filter((source) => matches(source.alias, source.source_type, source.uri))
      .map((source) => ({
        id: `source ${source.alias}`,
        group: 'Sources',
        label: source.alias,
        run: () => go(`/sources/${encodeURIComponent(source.alias)}`),
      }))
    return [...recipes, ...runs, ...sources]
  }
}
