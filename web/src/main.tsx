import { TooltipProvider } from '@/ui/tooltip'
import { QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { queries, router } from './app'
import { refuseStrayFiles } from './lib/drop'
import './styles.css'

const root = document.getElementById('root')
if (!root) throw new Error('index.html has no element with the id root')

refuseStrayFiles()
createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={queries}>
      <TooltipProvider>
        <RouterProvider router={router} />
      </TooltipProvider>
    </QueryClientProvider>
  </StrictMode>,
)
