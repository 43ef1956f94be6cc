import { Account } from '@/account/account'
import { NotFound, PageError, PageLoading } from '@/shell/page'
import { QueryClient } from '@tanstack/react-query'
import { createRootRoute, createRoute, createRouter, lazyRouteComponent, redirect } from '@tanstack/react-router'
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

const under = { getParentRoute: () => root }

/** The pages, each loaded when it is first gone to. What is of one in its address it reads by getRouteApi(path). */
const pages = [
  createRoute({ ...under, path: '/', component: lazyRouteComponent(() => import('./pages/home'), 'Home') }),
  createRoute({
    ...under,
    path: '/sources',
    component: lazyRouteComponent(() => import('./pages/sources'), 'Sources'),
  }),
  createRoute({
    ...under,
    path: '/sources/new',
    component: lazyRouteComponent(() => import('./pages/source-new'), 'NewSource'),
    staticData: { needs: 'sources.write' },
  }),
  createRoute({
    ...under,
    path: '/sources/$alias',
    component: lazyRouteComponent(() => import('./pages/source'), 'Source'),
  }),
  createRoute({
    ...under,
    path: '/recipes',
    component: lazyRouteComponent(() => import('./pages/recipes'), 'Recipes'),
  }),
  createRoute({
    ...under,
    path: '/recipes/new',
    component: lazyRouteComponent(() => import('./pages/recipe-new'), 'NewRecipe'),
    staticData: { needs: 'recipes.write' },
  }),
  createRoute({
    ...under,
    path: '/recipes/$id',
    component: lazyRouteComponent(() => import('./pages/recipe'), 'Recipe'),
  }),
  createRoute({
    ...under,
    path: '/new',
    component: lazyRouteComponent(() => import('./pages/wizard'), 'Wizard'),
    staticData: { needs: 'recipes.write' },
  }),
  createRoute({
    ...under,
    path: '/assistant',
    component: lazyRouteComponent(() => import('./pages/assistant'), 'Assistant'),
  }),
  createRoute({
    ...under,
    path: '/assistant/$id',
    component: lazyRouteComponent(() => import('./pages/assistant'), 'AssistantChat'),
  }),
  createRoute({
    ...under,
    path: '/runs',
    component: lazyRouteComponent(() => import('./pages/runs'), 'Runs'),
    validateSearch: readRunsSearch,
  }),
  createRoute({ ...under, path: '/runs/$id', component: lazyRouteComponent(() => import('./pages/run'), 'Run') }),
  createRoute({
    ...under,
    path: '/runs/$id/records/$side/$key',
    component: lazyRouteComponent(() => import('./pages/record'), 'RecordPage'),
  }),
  createRoute({
    ...under,
    path: '/runs/$id/compare/$other',
    component: lazyRouteComponent(() => import('./pages/compare'), 'Compare'),
  }),
  createRoute({
    ...under,
    path: '/settings',
    beforeLoad: () =>
      redirect({ to: '/settings/$section', params: { section: 'account' }, replace: true, throw: true }),
  }),
  createRoute({
    ...under,
    path: '/settings/$section',
    component: lazyRouteComponent(() => import('./pages/settings'), 'Settings'),
  }),
  createRoute({
    ...under,
    path: '/sign-in',
    component: lazyRouteComponent(() => import('./pages/sign-in'), 'SignIn'),
    validateSearch: (search: Record<string, unknown>): { next?: string; error?: string } => ({
      ...(typeof search['next'] === 'string' && { next: search['next'] }),
      ...(typeof search['error'] === 'string' && { error: search['error'] }),
    }),
  }),
  createRoute({ ...under, path: '/setup', component: lazyRouteComponent(() => import('./pages/setup'), 'Setup') }),
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
