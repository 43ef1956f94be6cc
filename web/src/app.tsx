import { Account } from '@/account/account'
import { NotFound, PageError, PageLoading } from '@/shell/page'
import { QueryClient } from '@tanstack/react-query'
import { createRootRoute, createRoute, createRouter, lazyRouteComponent, redirect } from '@tanstack/react-router'
import type { ComponentType } from 'react'
import type { Permission } from './lib/me'
import { Problem } from './lib/problem'
import { readRunsSearch } from './runs/search'

/** Keeps what the server said; tries again where that may help. */
export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      // The browser's idea of being online is wrong for a server on this machine or in this house.
      networkMode: 'always',
      retry: (failures, cause) => failures < 2 && cause instanceof Problem && cause.status >= 500,
    },
    mutations: { networkMode: 'always' },
  },
})

const root = createRootRoute({ component: Account })

const files = import.meta.glob<Record<string, ComponentType>>('./pages/*.tsx')

// A page that is loaded when it is first gone to, by its file and its name in that.
function page(file: string, name: string) {
  const load = files[`./pages/${file}.tsx`] ?? (() => Promise.resolve({ [name]: NotFound }))
  return lazyRouteComponent(load, name)
}

const under = { getParentRoute: () => root }

/** The pages. What is of one in its address it reads by getRouteApi(path). */
const pages = [
  createRoute({ ...under, path: '/', component: page('home', 'Home') }),
  createRoute({ ...under, path: '/sources', component: page('sources', 'Sources') }),
  createRoute({
    ...under,
    path: '/sources/new',
    component: page('source-new', 'NewSource'),
    staticData: { needs: 'sources.write' },
  }),
  createRoute({ ...under, path: '/sources/$alias', component: page('source', 'Source') }),
  createRoute({ ...under, path: '/recipes', component: page('recipes', 'Recipes') }),
  createRoute({
    ...under,
    path: '/recipes/new',
    component: page('recipe-new', 'NewRecipe'),
    staticData: { needs: 'recipes.write' },
  }),
  createRoute({ ...under, path: '/recipes/$id', component: page('recipe', 'Recipe') }),
  createRoute({ ...under, path: '/new', component: page('wizard', 'Wizard'), staticData: { needs: 'recipes.write' } }),
  createRoute({
    ...under,
    path: '/runs',
    component: page('runs', 'Runs'),
    validateSearch: readRunsSearch,
  }),
  createRoute({ ...under, path: '/runs/$id', component: page('run', 'Run') }),
  createRoute({ ...under, path: '/runs/$id/records/$side/$key', component: page('record', 'RecordPage') }),
  createRoute({ ...under, path: '/runs/$id/compare/$other', component: page('compare', 'Compare') }),
  createRoute({
    ...under,
    path: '/settings',
    beforeLoad: () =>
      redirect({ to: '/settings/$section', params: { section: 'account' }, replace: true, throw: true }),
  }),
  createRoute({ ...under, path: '/settings/$section', component: page('settings', 'Settings') }),
  createRoute({
    ...under,
    path: '/sign-in',
    component: page('sign-in', 'SignIn'),
    validateSearch: (search: Record<string, unknown>): { next?: string; error?: string } => ({
      ...(typeof search['next'] === 'string' && { next: search['next'] }),
      ...(typeof search['error'] === 'string' && { error: search['error'] }),
    }),
  }),
  createRoute({ ...under, path: '/setup', component: page('setup', 'Setup') }),
] as const

export const router = createRouter({
  routeTree: root.addChildren(pages),
  defaultErrorComponent: PageError,
  defaultNotFoundComponent: NotFound,
  defaultPendingComponent: PageLoading,
  defaultPreload: 'intent',
  scrollRestoration: true,
})

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router
  }
  interface StaticDataRouteOption {
    /** What one must be allowed to for the page to be shown. */
    needs?: Permission
  }
}
