import { compare, ratio } from '@/lib/decimal'
import { count } from '@/lib/format'
import type { Problem } from '@/lib/problem'
import { Switch } from '@/ui/choice'
import { cx } from '@/ui/cx'
import { toast } from '@/ui/toast'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { Check } from 'lucide-react'
import type { ReactNode } from 'react'
import { chatQuery, share } from './api'
import { spentTokens, type Session } from './conversation'

/** The way from two sources to a result, and where the conversation is on it. */
export function Phases({ session }: { session: Session }) {
  const phases = (session.phases ?? []).filter(({ phase }) => phase !== 'greeting' || session.phase === 'greeting')
  return (
    <ol aria-label="Steps" className="relative flex shrink-0 gap-x-1 overflow-x-auto">
      {phases.map(({ phase, title, done }) => {
        const now = phase === session.phase
        return (
          <li
            key={phase}
            aria-current={now ? 'step' : undefined}
            className={cx(
              'flex min-w-0 flex-1 flex-col gap-1 border-t-2 pt-1.5 text-xs whitespace-nowrap',
              now ? 'border-accent-strong font-medium' : done ? 'border-ok text-muted' : 'border-line text-faint',
            )}
          >
            <span className="flex items-center gap-1">
              {done && <Check size={12} className="shrink-0 text-ok max-sm:hidden" aria-hidden />}
              <span className="truncate">{title}</span>
              {done && <span className="sr-only">done</span>}
            </span>
          </li>
        )
      })}
    </ol>
  )
}

function Section({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section aria-label={title} className="flex flex-col gap-1.5">
      <h3 className="text-xs font-medium text-muted">{title}</h3>
      {children}
    </section>
  )
}

/** What a conversation is about, who answers in it, what that has cost, and what is shown to them. */
export function AboutChat({ session }: { session: Session }) {
  const { left, right, model, spent, budget } = session
  return (
    <div className="flex flex-col gap-5 text-sm">
      <Section title="What it is about">
        {(left ?? right) ? (
          <ul className="flex flex-col gap-1">
            {[left, right].map(
              (scope, i) =>
                scope && (
                  <li key={i} className="min-w-0">
                    <span className="text-muted">{i === 0 ? 'Left: ' : 'Right: '}</span>
                    <Link to="/sources/$alias" params={{ alias: scope.source }} className="text-accent hover:underline">
                      {scope.source}
                    </Link>
                    {scope.filters && scope.filters.length > 0 && (
                      <span className="text-muted">
                        , {scope.filters.length === 1 ? 'one condition' : `${scope.filters.length} conditions`}
                      </span>
                    )}
                  </li>
                ),
            )}
          </ul>
        ) : (
          <p className="text-muted">No sources yet.</p>
        )}
        {session.recipe_id && (
          <Link to="/recipes/$id" params={{ id: session.recipe_id }} className="text-accent hover:underline">
            Recipe {session.recipe_id}
          </Link>
        )}
        {session.run_id && (
          <Link to="/runs/$id" params={{ id: session.run_id }} className="text-accent hover:underline">
            Its last run
          </Link>
        )}
      </Section>
      <Section title="Who answers">
        {model ? (
          <p className="break-words">{model}</p>
        ) : (
          <p>
            The assistant without a model. <span className="text-muted">It asks no service outside.</span>
          </p>
        )}
        <p className="text-xs text-muted">It proposes, the engine tries it on all records, and you decide.</p>
      </Section>
      {model && (
        <Section title="Used in this conversation">
          <Meter
            label="Tokens"
            used={String(spentTokens(spent))}
            bound={budget?.tokens === undefined ? undefined : String(budget.tokens)}
            text={(n) => count(Number(n))}
          />
          {spent.cost !== undefined && spent.cost !== '' && (
            <Meter label="Cost" used={spent.cost} bound={budget?.cost || undefined} text={(n) => `$${n}`} />
          )}
        </Section>
      )}
      {model && <Sharing session={session} />}
    </div>
  )
}

function Meter({
  label,
  used,
  bound,
  text,
}: {
  label: string
  used: string
  bound: string | undefined
  text: (n: string) => string
}) {
  const share = bound === undefined || compare(bound, '0') <= 0 ? undefined : Math.min(1, Number(ratio(used, bound)))
  return (
    <div>
      <p className="num flex justify-between gap-2">
        <span className="text-muted">{label}</span>
        <span>
          {text(used)}
          {bound !== undefined && <span className="text-muted"> of {text(bound)}</span>}
        </span>
      </p>
      {share !== undefined && (
        <div
          role="progressbar"
          aria-label={`${label} used`}
          aria-valuemin={0}
          aria-valuemax={100}
          aria-valuenow={Math.floor(share * 100)}
          className="mt-1 h-1 overflow-hidden rounded-full bg-hover"
        >
          <div
            className={cx('h-full', share > 0.9 ? 'bg-bad' : 'bg-accent-strong')}
            style={{ width: `${share * 100}%` }}
          />
        </div>
      )}
    </div>
  )
}

/** Whose values the model may see. */
function Sharing({ session }: { session: Session }) {
  const client = useQueryClient()
  const shared = session.share_values ?? []
  const change = useMutation<Session, Problem, string[]>({
    mutationFn: (aliases) => share(session.id, aliases),
    onSuccess: ({ share_values }) =>
      client.setQueryData(
        chatQuery(session.id).queryKey,
        (was) => was && { ...was, session: { ...was.session, share_values } },
      ),
    onError: (cause) => toast.failed('Changing what the model sees', cause),
  })
  const aliases = [...new Set([session.left?.source, session.right?.source, ...shared])].filter((x) => x !== undefined)
  return (
    <Section title="What the model sees">
      <p className="text-xs text-muted">
        Names of columns, types and counts. Values only of the sources that you share, in this conversation; those of
        others reach it as tokens of the same shape.
      </p>
      {aliases.map((alias) => (
        <Switch
          key={alias}
          label={`Show it the values of ${alias}`}
          checked={shared.includes(alias)}
          disabled={change.isPending}
          onChange={(on) => change.mutate(on ? [...shared, alias] : shared.filter((x) => x !== alias))}
        />
      ))}
      {aliases.length === 0 && <p className="text-xs text-muted">Sources can be shared once they are chosen.</p>}
    </Section>
  )
}
