import { asProblem } from '@/lib/problem'
import { CircleCheck, CircleX, X } from 'lucide-react'
import { Toast as Radix } from 'radix-ui'
import { useSyncExternalStore } from 'react'
import { Button, IconButton } from './button'

interface Toast {
  id: number
  tone: 'ok' | 'bad'
  title: string
  detail?: string
  action?: { label: string; run: () => void }
}

let toasts: readonly Toast[] = []
let made = 0
const listeners = new Set<() => void>()

function change(next: readonly Toast[]) {
  toasts = next
  for (const listener of listeners) listener()
}

function add(toast: Omit<Toast, 'id'>) {
  // A fourth pushes out the oldest: nobody reads a wall of them.
  change([...toasts.slice(-2), { ...toast, id: ++made }])
}

function subscribe(listener: () => void) {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

/** Says from anywhere that something was done, or why not. */
export const toast = {
  done: (title: string, more: { detail?: string; action?: Toast['action'] } = {}) => {
    const { detail, action } = more
    add({ tone: 'ok', title, ...(detail !== undefined && { detail }), ...(action !== undefined && { action }) })
  },
  /** title is the deed in the gerund, as in "Deleting the source"; the cause is what was thrown. */
  failed: (title: string, cause: unknown) => {
    const problem = asProblem(cause)
    add({ tone: 'bad', title: `${title} failed`, detail: [problem.message, problem.hint].filter(Boolean).join(' ') })
  },
}

/** Goes into the app once. Failures stay until they are closed. */
export function Toaster() {
  const shown = useSyncExternalStore(subscribe, () => toasts)
  return (
    <Radix.Provider swipeDirection="right">
      {shown.map(({ id, tone, title, detail, action }) => (
        <Radix.Root
          key={id}
          duration={tone === 'bad' ? Infinity : 6000}
          onOpenChange={(open) => open || change(toasts.filter((t) => t.id !== id))}
          className="pop slide-in flex items-start gap-2.5 p-3 data-[swipe=move]:translate-x-(--radix-toast-swipe-move-x)"
        >
          {tone === 'ok' ? (
            <CircleCheck size={16} className="mt-0.5 shrink-0 text-ok" />
          ) : (
            <CircleX size={16} className="mt-0.5 shrink-0 text-bad" />
          )}
          <div className="min-w-0 flex-1">
            <Radix.Title className="text-sm font-medium">{title}</Radix.Title>
            {detail !== undefined && <Radix.Description className="text-sm text-muted">{detail}</Radix.Description>}
            {action && (
              <Radix.Action asChild altText={action.label}>
                <Button small className="mt-2" onClick={action.run}>
                  {action.label}
                </Button>
              </Radix.Action>
            )}
          </div>
          <Radix.Close asChild>
            <IconButton label="Close" small>
              <X size={14} />
            </IconButton>
          </Radix.Close>
        </Radix.Root>
      ))}
      <Radix.Viewport className="fixed right-3 bottom-3 z-50 flex w-96 max-w-[calc(100vw-24px)] flex-col gap-2 max-md:bottom-18" />
    </Radix.Provider>
  )
}
