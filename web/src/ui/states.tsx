import { asProblem } from '@/lib/problem'
import { CloudOff, Lock, RefreshCw, SearchX, TriangleAlert } from 'lucide-react'
import type { ReactNode } from 'react'
import { Button } from './button'
import { cx } from './cx'

function State({
  icon,
  title,
  children,
  actions,
  small,
}: {
  icon: ReactNode
  title: string
  children?: ReactNode
  actions?: ReactNode
  small?: boolean | undefined
}) {
  return (
    <div className={cx('flex flex-col items-center gap-1 px-4 text-center', small ? 'py-6' : 'py-14')}>
      <span className="mb-2 flex size-10 items-center justify-center rounded-full bg-hover text-muted">{icon}</span>
      <h2 className="text-base font-semibold">{title}</h2>
      <div className="max-w-md text-sm text-muted">{children}</div>
      {actions !== undefined && <div className="mt-3 flex flex-wrap justify-center gap-2">{actions}</div>}
    </div>
  )
}

export interface EmptyStateProps {
  /** What is not there yet: "No sources yet". */
  title: string
  /** What to do next, and what it is good for. */
  children?: ReactNode
  actions?: ReactNode
  icon?: ReactNode
  small?: boolean
}

/** Nothing is there, and that is no fault. */
export function EmptyState({ icon = <SearchX size={18} />, ...rest }: EmptyStateProps) {
  return <State icon={icon} {...rest} />
}

export interface ErrorStateProps {
  /** What was thrown; a Problem tells the most. */
  error: unknown
  onRetry?: () => void
  small?: boolean
}

/** What failed, why, and what to do. Has words of its own for no connection and no permission. */
export function ErrorState({ error, onRetry, small }: ErrorStateProps) {
  const problem = asProblem(error)
  const icon = problem.offline ? (
    <CloudOff size={18} />
  ) : problem.status === 403 ? (
    <Lock size={18} />
  ) : (
    <TriangleAlert size={18} />
  )
  return (
    <div role="alert">
      <State
        icon={icon}
        title={problem.title}
        small={small}
        {...(onRetry && {
          actions: (
            <Button icon={<RefreshCw size={14} />} onClick={onRetry}>
              Try again
            </Button>
          ),
        })}
      >
        {problem.message !== problem.title && <p>{problem.message}</p>}
        {problem.faults.length > 0 && (
          <ul className="my-2 text-left">
            {problem.faults.map((fault, i) => (
              <li key={i}>
                {fault.location && <code className="mr-1.5 font-mono text-xs text-fg">{fault.location}</code>}
                {fault.message}
                {fault.hint && <span className="text-fg">: {fault.hint}</span>}
              </li>
            ))}
          </ul>
        )}
        {problem.hint && <p className="text-fg">{problem.hint}</p>}
      </State>
    </div>
  )
}

/** Stands where something will be, in its size. Put several into a Loading. */
export function Skeleton({ className }: { className?: string }) {
  return <span aria-hidden className={cx('block animate-pulse rounded-sm bg-hover', className ?? 'h-4 w-full')} />
}

/** Says to those who do not see the skeletons that something is loading. */
export function Loading({ label = 'Loading', children }: { label?: string; children?: ReactNode }) {
  return (
    <div role="status" aria-label={label}>
      {children ?? (
        <div className="flex flex-col gap-3">
          <Skeleton className="h-7 w-56" />
          <Skeleton className="h-4 w-96 max-w-full" />
          <Skeleton className="mt-2 h-40" />
        </div>
      )}
    </div>
  )
}
