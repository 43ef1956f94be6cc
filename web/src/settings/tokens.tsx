import { api, type Schema } from '@/lib/api'
import { data } from '@/lib/http'
import { useMe } from '@/lib/me'
import { asProblem } from '@/lib/problem'
import { Button, IconButton } from '@/ui/button'
import { Checkbox } from '@/ui/choice'
import { AlertDialog, Dialog } from '@/ui/dialog'
import { Field } from '@/ui/field'
import { Input } from '@/ui/input'
import { Select } from '@/ui/select'
import { EmptyState, ErrorState } from '@/ui/states'
import { Badge, Note } from '@/ui/status'
import { Table, type TableColumn } from '@/ui/table'
import { toast } from '@/ui/toast'
import { DateTime } from '@/ui/values'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Copy, KeyRound, Trash2 } from 'lucide-react'
import { useState, type SubmitEvent } from 'react'
import { Panel } from './panel'

type Token = Schema<'TokenItem'>
type Scope = 'read' | 'write' | 'runs' | 'admin'

const scopes: { value: Scope; label: string; hint: string }[] = [
  { value: 'read', label: 'read', hint: 'sources, recipes, runs, records and evidence' },
  { value: 'write', label: 'write', hint: 'sources, recipes and uploads' },
  { value: 'runs', label: 'runs', hint: 'start, stop and run again' },
  { value: 'admin', label: 'admin', hint: 'users and settings' },
]

/** One's API tokens. */
export function Tokens() {
  const queries = useQueryClient()
  const [making, setMaking] = useState(false)
  const tokens = useQuery({
    queryKey: ['tokens'],
    queryFn: ({ signal }) => data(api.GET('/api/tokens', { signal })),
  })
  const revoke = useMutation({
    mutationFn: (token: Token) => data(api.DELETE('/api/tokens/{id}', { params: { path: { id: token.id } } })),
    onError: (cause) => toast.failed('Revoking the token', cause),
    onSettled: () => queries.invalidateQueries({ queryKey: ['tokens'] }),
  })
  const columns: TableColumn<Token>[] = [
    {
      id: 'name',
      header: 'Token',
      grows: true,
      cell: (t) => (
        <div className="min-w-32">
          <p className="font-medium">{t.name}</p>
          <code className="font-mono text-xs text-muted">{t.prefix}…</code>
        </div>
      ),
    },
    {
      id: 'scopes',
      header: 'May',
      cell: (t) => (
        <span className="flex flex-wrap gap-1">
          {(t.scopes ?? []).map((scope) => (
            <Badge key={scope}>{scope}</Badge>
          ))}
        </span>
      ),
    },
    {
      id: 'created',
      header: 'Made',
      numeric: true,
      from: 'lg',
      cell: (t) => <DateTime value={t.created_at} relative />,
    },
    {
      id: 'used',
      header: 'Last used',
      numeric: true,
      from: 'lg',
      cell: (t) =>
        t.last_used_at === undefined ? (
          <span className="text-muted">never</span>
        ) : (
          <DateTime value={t.last_used_at} relative />
        ),
    },
    {
      id: 'expires',
      header: 'Expires',
      numeric: true,
      cell: (t) =>
        t.expires_at === undefined ? (
          <span className="text-muted">never</span>
        ) : (
          <DateTime value={t.expires_at} relative />
        ),
    },
    {
      id: 'revoke',
      header: '',
      numeric: true,
      cell: (t) => (
        <AlertDialog
          trigger={
            <IconButton small label={`Revoke ${t.name}`}>
              <Trash2 size={13} />
            </IconButton>
          }
          title={`Revoke ${t.name}?`}
          description="Programs that use it are refused from now on. It cannot be brought back."
          action="Revoke"
          onConfirm={() => revoke.mutateAsync(t).catch(() => undefined)}
        />
      ),
    },
  ]
  return (
    <Panel
      title="API tokens"
      about="For programs that work in your name: scripts, schedulers, CI. They may at most what you may."
      flush
      actions={
        <Button small look="primary" onClick={() => setMaking(true)}>
          New token
        </Button>
      }
    >
      {tokens.error && !tokens.data ? (
        <ErrorState small error={tokens.error} onRetry={() => void tokens.refetch()} />
      ) : tokens.data?.length === 0 ? (
        <EmptyState small icon={<KeyRound size={18} />} title="No tokens">
          Send one as <code className="font-mono text-xs">Authorization: Bearer</code>. What the API can do is at{' '}
          <a href="/openapi.json" className="text-accent underline">
            /openapi.json
          </a>
          .
        </EmptyState>
      ) : (
        <Table
          label="API tokens"
          columns={columns}
          rows={tokens.data === undefined ? undefined : (tokens.data ?? [])}
          rowKey={(t) => t.id}
          expected={2}
        />
      )}
      <NewToken open={making} onClose={() => setMaking(false)} />
    </Panel>
  )
}

const lives = [
  { value: '30', label: '30 days' },
  { value: '90', label: '90 days' },
  { value: '365', label: 'One year' },
  { value: 'never', label: 'Never' },
]

function NewToken({ open, onClose }: { open: boolean; onClose: () => void }) {
  const me = useMe()
  const queries = useQueryClient()
  const [name, setName] = useState('')
  const [chosen, setChosen] = useState<Scope[]>(['read'])
  const [life, setLife] = useState('90')
  const make = useMutation({
    mutationFn: () =>
      data(
        api.POST('/api/tokens', {
          body: {
            name,
            scopes: chosen,
            ...(life !== 'never' && { expires_at: new Date(Date.now() + Number(life) * 86_400_000).toISOString() }),
          },
        }),
      ),
    onSuccess: () => void queries.invalidateQueries({ queryKey: ['tokens'] }),
  })
  const problem = make.error ? asProblem(make.error) : undefined
  const offered = scopes.filter(
    ({ value }) => me.role === 'admin' || (value !== 'admin' && (me.role !== 'viewer' || value === 'read')),
  )
  function submit(event: SubmitEvent) {
    event.preventDefault()
    make.mutate()
  }
  function close() {
    onClose()
    make.reset() // the secret is not kept
    setName('')
  }
  if (make.data) {
    const { token } = make.data
    return (
      <Dialog
        open={open}
        onOpenChange={(next) => next || close()}
        title="The token is made"
        description="It is shown this once. Copy it to where it is needed."
        footer={
          <Button look="primary" onClick={close}>
            Done
          </Button>
        }
      >
        <div className="flex items-center gap-2">
          <Input
            aria-label="Token"
            readOnly
            value={token}
            className="font-mono"
            onFocus={(event) => event.target.select()}
          />
          <Button
            icon={<Copy size={14} />}
            onClick={() => {
              // Browsers offer it on HTTPS and localhost only; the field can be copied by hand.
              void (navigator.clipboard as Clipboard | undefined)?.writeText(token).then(
                () => toast.done('The token is copied'),
                (cause: unknown) => toast.failed('Copying', cause),
              )
            }}
          >
            Copy
          </Button>
        </div>
      </Dialog>
    )
  }
  return (
    <Dialog
      open={open}
      onOpenChange={(next) => next || close()}
      title="New API token"
      footer={
        <>
          <Button onClick={close}>Cancel</Button>
          <Button look="primary" type="submit" form="new-token" busy={make.isPending} disabled={chosen.length === 0}>
            Make the token
          </Button>
        </>
      }
    >
      <form id="new-token" onSubmit={submit} className="flex flex-col gap-4">
        {problem && problem.faults.length === 0 && (
          <div role="alert">
            <Note tone="bad">{problem.message}</Note>
          </div>
        )}
        <Field label="What it is for" error={problem?.faultOf('name')}>
          <Input
            required
            maxLength={100}
            placeholder="Nightly run"
            value={name}
            onChange={(event) => setName(event.target.value)}
          />
        </Field>
        <fieldset className="flex flex-col gap-2">
          <legend className="mb-1.5 text-sm font-medium">What it may</legend>
          {offered.map(({ value, label, hint }) => (
            <Checkbox
              key={value}
              label={label}
              hint={hint}
              checked={chosen.includes(value)}
              onChange={(on) => setChosen(on ? [...chosen, value] : chosen.filter((scope) => scope !== value))}
            />
          ))}
        </fieldset>
        <Field label="Expires after" error={problem?.faultOf('expires_at')}>
          <Select value={life} onChange={setLife} options={lives} className="w-40" />
        </Field>
      </form>
    </Dialog>
  )
}
