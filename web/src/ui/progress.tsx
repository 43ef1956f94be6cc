import { compact, duration } from '@/lib/format'
import { Check, X } from 'lucide-react'
import { cx } from './cx'

export interface StageProgress {
  name: string
  /** 0 to 1. */
  done: number
  state: 'waiting' | 'active' | 'done' | 'failed'
  /** What is being done: "reading payments". */
  step?: string | undefined
}

export interface ProgressProps {
  stages: StageProgress[]
  /** Rows a second in the active stage. */
  rate?: number | undefined
  /** Milliseconds left of all, where that can be told. */
  left?: number | undefined
}

/** Work in stages, each with its own bar. */
export function Progress({ stages, rate, left }: ProgressProps) {
  const active = stages.find((s) => s.state === 'active')
  const facts = [
    active?.step,
    rate !== undefined && active ? `${compact(rate)} rows/s` : undefined,
    left !== undefined && active ? `about ${duration(Math.max(1000, left))} left` : undefined,
  ].filter((fact) => fact !== undefined)
  return (
    <div>
      <ol className="flex gap-2">
        {stages.map((stage) => (
          <li key={stage.name} className="min-w-0 flex-1">
            <div
              role="progressbar"
              aria-label={stage.name}
              aria-valuemin={0}
              aria-valuemax={100}
              aria-valuenow={Math.floor(stage.done * 100)}
              className="h-1.5 overflow-hidden rounded-full bg-hover"
            >
              <div
                className={cx(
                  'h-full rounded-full transition-[width] duration-300',
                  stage.state === 'failed' ? 'bg-bad' : stage.state === 'done' ? 'bg-ok' : 'bg-accent-strong',
                )}
                style={{ width: `${Math.min(1, stage.done) * 100}%` }}
              />
            </div>
            <p
              className={cx(
                'mt-1.5 flex items-center gap-1 truncate text-xs',
                stage.state === 'active' ? 'font-medium text-fg' : 'text-muted',
              )}
            >
              {stage.state === 'done' && <Check size={12} className="text-ok" aria-label="done" />}
              {stage.state === 'failed' && <X size={12} className="text-bad" aria-label="failed" />}
              {stage.name}
              {stage.state === 'active' && <span className="num text-muted">{Math.floor(stage.done * 100)}%</span>}
            </p>
          </li>
        ))}
      </ol>
      {facts.length > 0 && (
        <p aria-live="polite" className="num mt-1 text-xs text-muted">
          {facts.join(' · ')}
        </p>
      )}
    </div>
  )
}
