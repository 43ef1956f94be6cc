import {
  Ban,
  CircleAlert,
  CircleCheck,
  CircleDashed,
  CircleX,
  Clock,
  Info,
  LoaderCircle,
  TriangleAlert,
  type LucideIcon,
} from 'lucide-react'
import type { ReactNode } from 'react'
import { cx } from './cx'

export type Tone = 'neutral' | 'accent' | 'ok' | 'warn' | 'bad'

const tones: Record<Tone, string> = {
  neutral: 'bg-hover text-muted',
  accent: 'bg-accent-soft text-accent',
  ok: 'bg-ok-soft text-ok',
  warn: 'bg-warn-soft text-warn',
  bad: 'bg-bad-soft text-bad',
}

/** A word on a colour. The word says it; the colour only helps to find it. */
export function Badge({ tone = 'neutral', icon, children }: { tone?: Tone; icon?: ReactNode; children: ReactNode }) {
  return (
    <span
      className={cx(
        'inline-flex h-5 items-center gap-1 rounded-full px-2 text-xs font-medium whitespace-nowrap',
        tones[tone],
      )}
    >
      {icon}
      {children}
    </span>
  )
}

const states: Record<string, { word: string; tone: Tone; icon: LucideIcon; spins?: boolean }> = {
  pending: { word: 'Waiting', tone: 'neutral', icon: Clock },
  queued: { word: 'Queued', tone: 'neutral', icon: Clock },
  dispatched: { word: 'Handed over', tone: 'neutral', icon: CircleDashed },
  running: { word: 'Running', tone: 'accent', icon: LoaderCircle, spins: true },
  staging: { word: 'Reading', tone: 'accent', icon: LoaderCircle, spins: true },
  matching: { word: 'Matching', tone: 'accent', icon: LoaderCircle, spins: true },
  evidence: { word: 'Writing evidence', tone: 'accent', icon: LoaderCircle, spins: true },
  completed: { word: 'Completed', tone: 'ok', icon: CircleCheck },
  failed: { word: 'Failed', tone: 'bad', icon: CircleX },
  cancelled: { word: 'Cancelled', tone: 'neutral', icon: Ban },
  under_target: { word: 'Under target', tone: 'warn', icon: TriangleAlert },
  connected: { word: 'Connected', tone: 'ok', icon: CircleCheck },
  unknown: { word: 'Not tested', tone: 'neutral', icon: CircleDashed },
}

/** The states that Status has a word for. */
export const knownStates = Object.keys(states)

/** The state of a run, a job or a source, as the API names it. */
export function Status({ state }: { state: string }) {
  const { word, tone, icon: Icon, spins } = states[state] ?? { word: state, tone: 'neutral', icon: Info, spins: false }
  return (
    <Badge tone={tone} icon={<Icon size={12} aria-hidden className={cx(spins && 'animate-spin')} />}>
      {word}
    </Badge>
  )
}

const notes = { accent: Info, ok: CircleCheck, warn: TriangleAlert, bad: CircleAlert, neutral: Info }

/** A remark in the flow of a page. */
export function Note({ tone = 'accent', title, children }: { tone?: Tone; title?: string; children?: ReactNode }) {
  const Icon = notes[tone]
  return (
    <div className={cx('flex items-start gap-2 rounded-md px-3 py-2 text-sm', tones[tone])}>
      <Icon size={15} className="mt-0.5 shrink-0" aria-hidden />
      <div className="min-w-0 text-fg">
        {title !== undefined && <p className="font-medium">{title}</p>}
        {children}
      </div>
    </div>
  )
}
