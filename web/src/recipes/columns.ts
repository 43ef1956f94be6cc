import { sourceQuery, type Column } from '@/sources/api'
import { useQueries } from '@tanstack/react-query'
import type { RecipeDocument, RecipeSource } from './model'

/** The columns that a form offers for both sides; empty where they are not known. */
export interface SideColumns {
  left: Column[]
  right: Column[]
}

function derived(source: RecipeSource | undefined): Column[] {
  return Object.keys(source?.derive ?? {}).map((name) => ({ name, data_type: 'derived', nullable: true }))
}

/** The columns of a recipe's registered sources as they were last seen, and those that it derives. */
export function useColumns(recipe: RecipeDocument | undefined): SideColumns {
  const sides = [recipe?.sources.left, recipe?.sources.right]
  const found = useQueries({
    queries: sides.map((side) => ({ ...sourceQuery(side?.source ?? ''), enabled: side?.source !== undefined })),
  })
  const of = (i: 0 | 1) => [...(found[i]?.data?.source.columns ?? []), ...derived(sides[i])]
  return { left: of(0), right: of(1) }
}
