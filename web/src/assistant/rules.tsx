import type { Schema } from '@/lib/api'
import { ratio } from '@/lib/decimal'
import { count, percent, plural } from '@/lib/format'
import { Button } from '@/ui/button'
import { Checkbox } from '@/ui/choice'
import { cx } from '@/ui/cx'
import { Badge, Note } from '@/ui/status'
import { useState } from 'react'
import { dropped, type Card } from './conversation'
import { Frame } from './frame'
import { useAnswering } from './use-conversation'

type Rule = Schema<'AgentRule'>
type Coverage = Schema<'AgentCoverage'>

const verdicts = {
  held: { word: 'holds', tone: 'ok' },
  learned: { word: 'learned', tone: 'accent' },
  conflicts: { word: 'does not fit', tone: 'warn' },
  not_found: { word: 'not found', tone: 'warn' },
} as const

/** The drafted rules, each with what speaks for it and against it, to keep or to drop. */
export function Rules({ card, summary }: { card: Card; summary: Schema<'AgentRuleSummary'> }) {
  const { busy, answer } = useAnswering()
  const [off, setOff] = useState<ReadonlySet<string>>(new Set())
  const rules = summary.rules ?? []
  const unchecked = card.open ? off : new Set(card.answer?.action === 'drop' ? card.answer.rules : [])
  const drop = dropped(rules, unchecked)
  const lessons = (summary.lessons ?? []).filter(({ verdict }) => verdict !== 'held')
  return (
    <Frame
      title="The rules"
      aside={<span className="num text-xs text-muted">{plural(rules.filter((r) => !r.dropped).length, 'rule')}</span>}
    >
      <div className="flex flex-wrap gap-x-8 gap-y-1 border-b border-line px-3.5 py-2.5">
        <Matched {...summary.left} />
        <Matched {...summary.right} />
      </div>
      <ul>
        {rules.map((rule) => (
          <RuleItem
            key={rule.id}
            rule={rule}
            kept={!rule.dropped && !unchecked.has(rule.id)}
            onKeep={
              card.open && !rule.dropped
                ? (keep) => setOff((was) => new Set(keep ? [...was].filter((x) => x !== rule.id) : [...was, rule.id]))
                : undefined
            }
            onRestore={
              card.open && rule.dropped ? () => answer(card.id, { action: 'restore', rules: [rule.id] }) : undefined
            }
            restored={card.answer?.action === 'restore' && card.answer.rules?.includes(rule.id) === true}
            busy={busy}
            onTake={card.open && !busy ? (option) => answer(card.id, { action: 'choose', option }) : undefined}
          />
        ))}
      </ul>
      {lessons.length > 0 && (
        <div className="border-t border-line px-3.5 py-2.5">
          <h4 className="mb-1 text-xs text-muted">From your examples</h4>
          <ul className="flex flex-col gap-1 text-sm">
            {lessons.map((lesson) => (
              <li key={lesson.example} className="flex flex-wrap items-baseline gap-x-2">
                <Badge tone={verdicts[lesson.verdict].tone}>{verdicts[lesson.verdict].word}</Badge>
                <span className="min-w-0 flex-1">{lesson.text}</span>
              </li>
            ))}
          </ul>
        </div>
      )}
      {card.open ? (
        <div className="flex flex-wrap items-center gap-2 border-t border-line px-3.5 py-2.5">
          <Button
            look="primary"
            disabled={busy}
            onClick={() => answer(card.id, drop.length > 0 ? { action: 'drop', rules: drop } : { action: 'keep' })}
          >
            {drop.length > 0 ? `Draft again without ${plural(drop.length, 'rule')}` : 'Keep these rules and try them'}
          </Button>
          <span className="text-xs text-muted">Uncheck what is wrong; nothing is saved yet.</span>
        </div>
      ) : (
        card.answer?.action === 'keep' && (
          <div className="border-t border-line px-3.5 py-2.5">
            <Note tone="ok">You kept these rules.</Note>
          </div>
        )
      )}
    </Frame>
  )
}

function Matched({ alias, matched, total }: Coverage) {
  return (
    <p className="num text-sm">
      <span className="text-muted">{alias}:</span>{' '}
      <span className="font-semibold">{percent(ratio(matched, total))}</span>{' '}
      <span className="text-muted">
        {count(matched)} of {count(total)} match
      </span>
    </p>
  )
}

function RuleItem(props: {
  rule: Rule
  kept: boolean
  onKeep: ((keep: boolean) => void) | undefined
  onTake: ((option: string) => void) | undefined
  onRestore: (() => void) | undefined
  restored: boolean
  busy: boolean
}) {
  const { rule, kept, onKeep, onTake, onRestore, restored, busy } = props
  const against = rule.counter_examples ?? []
  const instead = rule.alternatives ?? []
  return (
    <li className="flex items-start gap-2.5 border-b border-line px-3.5 py-2 last:border-0">
      <span className="flex h-5 w-4 items-center">
        {/* One that is dropped has a button: it comes back at once, with what now speaks for it. */}
        {!rule.dropped && (
          <Checkbox
            aria-label={`Keep: ${rule.what}`}
            checked={kept}
            disabled={onKeep === undefined}
            onChange={(keep) => onKeep?.(keep)}
          />
        )}
      </span>
      <div className="min-w-0 flex-1">
        <p className="flex flex-wrap items-center gap-x-2 text-sm">
          <span className={cx('min-w-0', !kept && 'text-muted line-through')}>{rule.what}</span>
          {rule.set && <Badge tone="accent">Set by you</Badge>}
        </p>
        {rule.dropped ? (
          <p className="text-xs text-muted">{restored ? 'Added back by you' : 'Dropped by you'}</p>
        ) : (
          rule.support && (
            <p className="num text-xs text-muted">
              {rule.support}
              {rule.of > 0 &&
                rule.agree < rule.of &&
                !rule.support.includes('%') &&
                ` (${percent(ratio(rule.agree, rule.of), 1)})`}
            </p>
          )
        )}
        {against.length > 0 && (
          <details className="text-xs text-muted">
            <summary className="cursor-pointer text-accent">
              {against.length === 1 ? 'One example' : `${against.length} examples`} against it
            </summary>
            <ul className="num mt-0.5 mb-1 border-l-2 border-line pl-2">
              {against.map((x, i) => (
                <li key={i}>{x}</li>
              ))}
            </ul>
          </details>
        )}
        {instead.length > 0 && (
          <details className="text-xs text-muted">
            <summary className="cursor-pointer text-accent">What could stand in its place</summary>
            <ul className="mt-1 mb-1 flex flex-col gap-1.5 border-l-2 border-line pl-2">
              {instead.map((option) => (
                <li key={option.id} className="flex flex-wrap items-center gap-x-3 gap-y-1">
                  <span className="num min-w-0 flex-1">
                    <span className="text-fg">{option.label}</span>
                    {option.detail && <> · {option.detail}</>}
                  </span>
                  {onTake && (
                    <Button small aria-label={`Take ${option.label} instead`} onClick={() => onTake(option.id)}>
                      Take this
                    </Button>
                  )}
                </li>
              ))}
            </ul>
          </details>
        )}
      </div>
      {onRestore && (
        <Button small disabled={busy} aria-label={`Add back: ${rule.what}`} onClick={onRestore}>
          Add back
        </Button>
      )}
    </li>
  )
}
