// The server's API, typed by its own document: `make api` makes schema.ts of it.
import { client, nextCursor } from './http'
import type { Page, RowSource } from './rows'
import type { components, paths } from './schema'

/** The client: `await data(api.GET('/api/runs/{run_id}', { params: { path: { run_id } } }))`. */
export const api = client<paths>()

type Schemas = components['schemas']

/** A type of the API by its name: `Schema<'RunItem'>`. */
export type Schema<Name extends keyof Schemas> = Schemas[Name]

export type About = Schema<'About'>
export type Overview = Schema<'Overview'>
export type Run = Schema<'Run'>
export type RunItem = Schema<'RunItem'>
export type RunState = RunItem['status']
export type RecipeItem = Schema<'RecipeItem'>
export type User = Schema<'UserItem'>
export type Role = User['role']

/** The states of a run that has not ended. */
export const activeStates = ['pending', 'dispatched', 'staging', 'matching', 'evidence'] as const satisfies RunState[]

/** Whether a run goes on. */
export function isActive(run: { status: RunState }): boolean {
  return (activeStates as readonly RunState[]).includes(run.status)
}

/** A list of the API, which pages by cursor, as a source of rows. */
export function listRows<R>(
  fetch: (
    query: { cursor?: string; limit: number },
    signal: AbortSignal,
  ) => Promise<{ data?: R[] | null; response: Response }>,
  pageSize = 100,
): RowSource<R> {
  return {
    seekable: false,
    pageSize,
    fetch: async ({ cursor, limit, signal }): Promise<Page<R>> => {
      const { data, response } = await fetch({ limit, ...(cursor !== undefined && { cursor }) }, signal)
      return { rows: data ?? [], next: nextCursor(response) }
    },
  }
}
