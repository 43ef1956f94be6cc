// The gallery of components, for those who build pages: `npx vite` and open
// /gallery.html. Its own entry, which the app's build does not have.
import { NotFound, PageError } from '@/shell/page'
import { Shell } from '@/shell/shell'
import { TooltipProvider } from '@/ui/tooltip'
import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { createHashHistory, createRootRoute, createRoute, createRouter, RouterProvider } from '@tanstack/react-router'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import '../styles.css'
import { Charts } from './charts'
import { Controls } from './controls'
import { Editing, Overlays, States } from './rest'
import { Tables } from './tables'

const account = { name: 'Aino Virtanen', detail: 'analyst', signOut: () => undefined }
const root = createRootRoute({ component: () => <Shell account={account} /> })
const pages = {
  '/': Controls,
  '/runs': Tables,
  '/new': Charts,
  '/recipes': Editing,
  '/sources': States,
  '/settings': Overlays,
}

const router = createRouter({
  history: createHashHistory(),
  routeTree: root.addChildren(
    Object.entries(pages).map(([path, component]) => createRoute({ getParentRoute: () => root, path, component })),
  ),
  defaultErrorComponent: PageError,
  defaultNotFoundComponent: NotFound,
})

const element = document.getElementById('root')
if (!element) throw new Error('gallery.html has no element with the id root')

createRoot(element).render(
  <StrictMode>
    <QueryClientProvider client={new QueryClient()}>
      <TooltipProvider>
        <RouterProvider router={router as never} />
      </TooltipProvider>
    </QueryClientProvider>
  </StrictMode>,
)
