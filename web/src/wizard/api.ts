import { api, type Schema } from '@/lib/api'
import { data } from '@/lib/http'
import type { Evidence, Summary } from '@/recipes/api'
import { isRecipe, readExact, type RecipeDocument } from '@/recipes/model'
import type { ApiFilter } from '@/sources/api'
import { queryOptions } from '@tanstack/react-query'
import type { Guidance, Rules } from './state'

export interface Scope {
  source: string
  filters: ApiFilter[]
}

/** Has rules proposed for two sources. */
export async function propose(
  left: Scope,
  right: Scope,
  scope: string,
  guidance: Guidance,
  signal?: AbortSignal,
): Promise<Rules> {
  const ids = (named: Guidance['without']) => named.map(({ id }) => id)
  const body = { left, right, without: ids(guidance.without), choose: ids(guidance.choose) }
  const answer = await data(api.POST('/api/recipes/draft', { body, parseAs: 'text', ...(signal && { signal }) }))
  const draft = readExact(answer) as Omit<Schema<'RecipeDraft'>, 'recipe'> & { recipe: unknown }
  if (!isRecipe(draft.recipe)) throw new TypeError('the draft is no recipe')
  const passes = draft.recipe.match ?? []
  return {
    scope,
    evidence: (draft.evidence ?? []) satisfies Evidence[],
    suggestions: draft.suggestions ?? [],
    guidance,
    proposed: passes,
    recipe: draft.recipe,
    off: passes.map(() => false),
  }
}

/** What a recipe would come to on all records, without evidence. */
export function trialQuery(recipe: RecipeDocument, parameters: Record<string, string>) {
  const document = JSON.stringify(recipe)
  return queryOptions({
    queryKey: ['trial', document, parameters],
    queryFn: ({ signal }): Promise<Summary> =>
      data(api.POST('/api/recipes/trial', { body: { document, parameters }, signal })),
    staleTime: 300_000,
    retry: false,
  })
}
