import { queryOptions, useQuery } from '@tanstack/react-query'
import { createContext, use } from 'react'
import { api, type Schema } from './api'
import { data } from './http'

/** Who is signed in, and what they may do. */
export type Me = Omit<Schema<'Me'>, 'permissions'> & { permissions: readonly string[] }

/** What an operation of the API asks of whoever calls it. */
export type Permission =
  | 'account'
  | 'read'
  | 'sources.write'
  | 'recipes.write'
  | 'uploads.write'
  | 'runs.write'
  | 'runs.approve'
  | 'audit.read'
  | 'users.admin'
  | 'settings.admin'

/** Asks who is signed in. */
export const meQuery = queryOptions({
  queryKey: ['me'],
  queryFn: async ({ signal }): Promise<Me> => {
    const me = await data(api.GET('/api/auth/me', { signal }))
    return { ...me, permissions: me.permissions ?? [] }
  },
  staleTime: 60_000,
})

export const MeContext = createContext<Me | undefined>(undefined)

/** Who is signed in. Only below the shell, where somebody is. */
export function useMe(): Me {
  const me = use(MeContext)
  if (!me) throw new Error('useMe is for pages of somebody who is signed in')
  return me
}

/** Whether the reader may do something: `useCan('runs.write')`. What they may not is not offered. */
export function useCan(permission: Permission): boolean {
  return useMe().permissions.includes(permission)
}

/** What this installation is. */
export const aboutQuery = queryOptions({
  queryKey: ['about'],
  queryFn: ({ signal }) => data(api.GET('/api/about', { signal })),
  staleTime: 30_000,
})

/** What this installation is, once it is known. */
export function useAbout() {
  return useQuery(aboutQuery).data
}
