import { NotFound, PageError, PageLoading } from '@/shell/page'
import { Shell } from '@/shell/shell'
import { QueryClient } from '@tanstack/react-query'
import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from '@tanstack/react-router'
import { Problem } from './lib/problem'

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

const root = createRootRoute({ component: () => <Shell /> })

/** The pages. Each is loaded when it is first gone to. */
const pages = [
  createRoute({
    getParentRoute: () => root,
    path: '/',
    component: lazyRouteComponent(() => import('./pages/home'), 'Home'),
  }),
]

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
}
