/** Reading bodies: JSON in UTF-8 or nothing. An empty body is as good as none, whatever its content type says. */
import type { FastifyInstance } from 'fastify'
import { AppError, messageOf } from '../../internal/errors.ts'
import { scanJson } from './json-scan.ts'

/**
 * The value of a JSON text in UTF-8; undefined for an empty one. Throws VALIDATION_FORMAT.
 * @param maxKeys members of all objects together; absent: those of a body
 */
export function parseJson(body: Buffer, maxKeys?: number): unknown {
  if (body.length === 0) return undefined
  scanJson(body, maxKeys)
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(body)
    return JSON.parse(text)
  } catch (cause) {
    throw new AppError('VALIDATION_FORMAT', `The body is not valid JSON: ${messageOf(cause)}`, { cause })
  }
}

/** Replaces fastify's parsers. */
export function addBodyParsers(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(
    'application/json',
    { parseAs: 'buffer' },
    async (_request: unknown, body: Buffer) => parseJson(body),
  )
  app.addContentTypeParser('*', { parseAs: 'buffer' }, async (_request: unknown, body: Buffer) => {
    if (body.length === 0) return undefined
    throw new AppError('UNSUPPORTED_MEDIA_TYPE', 'Send the body as JSON with content-type: application/json.')
  })
}
