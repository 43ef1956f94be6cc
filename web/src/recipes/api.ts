// What the server knows of recipes.
import { api, type Schema } from '@/lib/api'
import { data, idempotencyKey, ifMatch } from '@/lib/http'
import { queryOptions } from '@tanstack/react-query'
import { isRecipe, readExact, type RecipeDocument } from './model'

export type RecipeInfo = Omit<Schema<'Recipe'>, 'recipe'>
export type RecipeItem = Schema<'RecipeItem'>
export type RecipeVersion = Schema<'RecipeVersion'>
export type RecipeDiff = Schema<'RecipeDiff'>
export type Sentence = Schema<'Sentence'>
export type RecipeFault = Schema<'Fault'>
export type Parameter = Schema<'Parameter'>
export type Summary = Schema<'Summary'>
export type Evidence = Schema<'JobDraftEvidence'>

export const recipesQuery = queryOptions({
  queryKey: ['recipes'],
  queryFn: async ({ signal }) =>
    (await data(api.GET('/api/recipes', { params: { query: { limit: 500 } }, signal }))) ?? [],
})

/** The current version of a recipe, and the tag that a change of it has to name. */
export function recipeQuery(id: string) {
  return queryOptions({
    queryKey: ['recipes', id],
    queryFn: async ({ signal }) => {
      const { data, response } = await api.GET('/api/recipes/{recipe_id}', {
        params: { path: { recipe_id: id } },
        signal,
      })
      return { recipe: data as RecipeInfo, etag: response.headers.get('ETag') }
    },
  })
}

export function versionsQuery(id: string) {
  return queryOptions({
    queryKey: ['recipes', id, 'versions'],
    queryFn: async ({ signal }) =>
      (await data(
        api.GET('/api/recipes/{recipe_id}/versions', {
          params: { path: { recipe_id: id }, query: { limit: 200 } },
          signal,
        }),
      )) ?? [],
  })
}

export function diffQuery(id: string, from: number, to: number) {
  return queryOptions({
    queryKey: ['recipes', id, 'diff', from, to],
    queryFn: ({ signal }) =>
      data(
        api.GET('/api/recipes/{recipe_id}/diff', { params: { path: { recipe_id: id }, query: { from, to } }, signal }),
      ),
    staleTime: Infinity, // versions do not change
  })
}

export const recipeSchemaQuery = queryOptions({
  queryKey: ['schema', 'recipe'],
  queryFn: async ({ signal }) => (await api.GET('/api/schema/recipe', { parseAs: 'json', signal })).data as unknown,
  staleTime: Infinity,
})

/** What is wrong with a document, and what it says. */
export interface Checked {
  /** What was checked. */
  text: string
  valid: boolean
  faults: readonly RecipeFault[]
  /** Undefined where it cannot be read, or not be changed by forms. */
  recipe: RecipeDocument | undefined
  /** The recipe as YAML without comments. */
  document: string
  sentences: readonly Sentence[]
  parameters: readonly Parameter[]
  estimate: Schema<'JobEstimate'> | undefined
}

/** Has a document checked: YAML as typed, or a recipe that a form changed. */
export async function check(
  document: string | RecipeDocument,
  signal: AbortSignal,
  parameters?: Record<string, string>,
): Promise<Checked> {
  const text = typeof document === 'string' ? document : JSON.stringify(document)
  // As text, because a number of the recipe may have more digits than a float.
  const answer = await data(
    api.POST('/api/recipes/validate', {
      body: { document: text, ...(parameters && { parameters }) },
      parseAs: 'text',
      signal,
    }),
  )
  const found = readExact(answer) as Omit<Schema<'RecipeChecked'>, 'recipe'> & { recipe?: unknown }
  return {
    text,
    valid: found.valid,
    faults: found.faults ?? [],
    recipe: isRecipe(found.recipe) ? found.recipe : undefined,
    document: found.document ?? '',
    sentences: found.sentences ?? [],
    parameters: found.parameters ?? [],
    estimate: found.estimate,
  }
}

/** Saves a document as the version after the one that the tag names; a new recipe without a tag. */
export async function saveRecipe(
  id: string,
  document: string,
  message: string,
  etag: string | null,
): Promise<Schema<'Recipe'>> {
  return data(
    api.PUT('/api/recipes/{recipe_id}', {
      params: {
        path: { recipe_id: id },
        header: etag === null ? { 'If-None-Match': '*' } : ifMatch(etag),
      },
      body: { document, ...(message && { message }) },
    }),
  )
}

export interface RunChoices {
  parameters: Record<string, string>
  /** "95%", or nothing. */
  target: string
  engine: string
}

/** Starts a run of a saved recipe; answers its id. */
export async function startRun(recipeId: string, choices: RunChoices): Promise<string> {
  const started = await data(
    api.POST('/api/runs', {
      params: { header: idempotencyKey() },
      body: {
        recipe_id: recipeId,
        parameters: choices.parameters,
        ...(choices.target && { target: choices.target }),
        ...(choices.engine !== 'auto' && { engine: choices.engine as 'duckdb' | 'trino' }),
      },
    }),
  )
  return started.run_id
}
