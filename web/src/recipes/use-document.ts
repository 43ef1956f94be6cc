import { useOnBack } from '@/lib/connection'
import { asProblem, type Problem } from '@/lib/problem'
import { useCallback, useEffect, useRef, useState } from 'react'
import { check, type Checked } from './api'
import type { RecipeDocument } from './model'

/** A recipe that is being written: by typing its YAML, and by forms that change its parts. */
export interface RecipeDraft {
  text: string
  /** Of the text, or of one that was typed a moment ago: see current. */
  checked: Checked | undefined
  /** Whether what was checked is the text. Forms wait for it. */
  current: boolean
  /** Why it could not be checked. */
  error: Problem | undefined
  type: (text: string) => void
  /** Changes the recipe by its parts; the server writes the YAML. */
  change: (how: (recipe: RecipeDocument) => RecipeDocument) => void
  /** Checks again after an error. */
  retry: () => void
}

const pause = 250

/** Keeps a document checked as it is typed. */
export function useDocument(first: string): RecipeDraft {
  const [text, setText] = useState(first)
  const [checked, setChecked] = useState<Checked>()
  const [error, setError] = useState<Problem>()
  const [attempt, setAttempt] = useState(0)
  const [changing, setChanging] = useState(false)
  const known = checked?.text === text
  const fresh = checked === undefined

  useEffect(() => {
    if (known) return
    const abort = new AbortController()
    const timer = setTimeout(
      () => {
        check(text, abort.signal)
          .then((found) => {
            setChecked(found)
            setError(undefined)
          })
          .catch((cause: unknown) => abort.signal.aborted || setError(asProblem(cause)))
      },
      // What is shown first is checked at once.
      fresh ? 0 : pause,
    )
    return () => {
      clearTimeout(timer)
      abort.abort()
    }
  }, [text, known, fresh, attempt])

  // Changes come one after the other, each of what the one before came to.
  const recipe = useRef<RecipeDocument>(undefined)
  useEffect(() => {
    recipe.current = known ? checked.recipe : undefined
  }, [known, checked])
  const pending = useRef<AbortController>(undefined)
  useEffect(() => () => pending.current?.abort(), [])

  const change = useCallback((how: (recipe: RecipeDocument) => RecipeDocument) => {
    if (!recipe.current) return
    const before = recipe.current
    const next = how(before)
    recipe.current = next
    pending.current?.abort()
    const abort = new AbortController()
    pending.current = abort
    setChanging(true)
    check(next, abort.signal)
      .then((found) => {
        // The lines of its faults are those of the JSON: the YAML is checked for its own.
        const faults = found.faults.map(({ path, problem, hint }) => ({ path, problem, ...(hint && { hint }) }))
        setText(found.document)
        setChecked({ ...found, faults, text: found.valid ? found.document : found.text })
        setError(undefined)
      })
      .catch((cause: unknown) => {
        if (abort.signal.aborted) return
        recipe.current = before
        setError(asProblem(cause))
      })
      .finally(() => pending.current === abort && setChanging(false))
  }, [])

  const type = useCallback((next: string) => {
    pending.current?.abort()
    setChanging(false)
    setText(next)
  }, [])

  const retry = useCallback(() => {
    setError(undefined)
    setAttempt((n) => n + 1)
  }, [])
  useOnBack(retry)

  return {
    text,
    checked,
    current: known && !changing,
    error,
    type,
    change,
    retry,
  }
}
