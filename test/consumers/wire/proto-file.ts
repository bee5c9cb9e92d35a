/** Protobuf schemas in few words, so that answers can be read by protobuf's own JSON rules as clients do. */
import {
  create,
  createFileRegistry,
  type DescMessage,
  type FileRegistry,
  fromJson,
  type JsonValue,
  toJson,
} from '@bufbuild/protobuf'
import {
  type DescriptorProto,
  DescriptorProtoSchema,
  type EnumDescriptorProto,
  EnumDescriptorProtoSchema,
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  FieldDescriptorProtoSchema,
  FileDescriptorProtoSchema,
  file_google_protobuf_duration,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
} from '@bufbuild/protobuf/wkt'

/**
 * A message: field name -> type. A type is a scalar, the name of an enum or message of the file, or Duration,
 * Timestamp, Struct, NullValue; `…[]` repeats it, `map<…>` has text keys. `oneof` names fields that exclude each
 * other. Numbers go by place: JSON does not carry them.
 */
export interface MessageSpec {
  readonly fields: Readonly<Record<string, string>>
  readonly oneof?: readonly string[]
}

export interface FileSpec {
  readonly package: string
  /** Enum name -> values without their prefix, after UNSPECIFIED. */
  readonly enums: Readonly<Record<string, readonly string[]>>
  readonly messages: Readonly<Record<string, MessageSpec>>
}

const SCALARS: Readonly<Record<string, FieldDescriptorProto_Type>> = {
  string: FieldDescriptorProto_Type.STRING,
  bool: FieldDescriptorProto_Type.BOOL,
  int32: FieldDescriptorProto_Type.INT32,
  int64: FieldDescriptorProto_Type.INT64,
  float: FieldDescriptorProto_Type.FLOAT,
  double: FieldDescriptorProto_Type.DOUBLE,
  bytes: FieldDescriptorProto_Type.BYTES,
}

const GOOGLE = {
  'google/protobuf/duration.proto': file_google_protobuf_duration,
  'google/protobuf/struct.proto': file_google_protobuf_struct,
  'google/protobuf/timestamp.proto': file_google_protobuf_timestamp,
} as const
const GOOGLE_TYPES = ['Duration', 'Timestamp', 'Struct']

/** Reads and writes the JSON of one message. */
export interface Codec {
  /**
   * What protobuf makes of a JSON value, in its own canonical JSON: lowerCamelCase, 64-bit numbers as texts, nothing
   * that is unset. Throws where the value does not fit.
   * @param unknown `refuse`: also members that the message does not know; `ignore`: those pass by
   */
  decode(message: string, value: unknown, unknown: 'ignore' | 'refuse'): Readonly<Record<string, unknown>>
}

export function protoCodec(spec: FileSpec): Codec {
  const registry = registryOf(spec)
  return {
    decode(name, value, unknown) {
      const message = messageOf(registry, `${spec.package}.${name}`)
      // The value came out of JSON.parse.
      const read = fromJson(message, value as JsonValue, { ignoreUnknownFields: unknown === 'ignore' })
      const canonical = toJson(message, read)
      if (typeof canonical !== 'object' || canonical === null || Array.isArray(canonical))
        throw new Error(`${name} is no object in JSON`)
      return canonical
    },
  }
}

function messageOf(registry: FileRegistry, name: string): DescMessage {
  const message = registry.getMessage(name)
  if (message === undefined) throw new Error(`the schema has no message ${name}`)
  return message
}

function registryOf(spec: FileSpec): FileRegistry {
  const file = create(FileDescriptorProtoSchema, {
    name: `${spec.package}.proto`,
    package: spec.package,
    syntax: 'proto3',
    dependency: Object.keys(GOOGLE),
    enumType: Object.entries(spec.enums).map(([name, values]) => enumProto(name, values)),
    messageType: Object.entries(spec.messages).map(([name, message]) => messageProto(spec, name, message)),
  })
  return createFileRegistry(file, (name) => Object.entries(GOOGLE).find(([known]) => known === name)?.[1])
}

function enumProto(name: string, values: readonly string[]): EnumDescriptorProto {
  const prefix = name.replace(/(?<=[a-z0-9])(?=[A-Z])/g, '_').toUpperCase()
  return create(EnumDescriptorProtoSchema, {
    name,
    value: ['UNSPECIFIED', ...values].map((value, number) => ({ name: `${prefix}_${value}`, number })),
  })
}

function messageProto(spec: FileSpec, name: string, { fields, oneof = [] }: MessageSpec): DescriptorProto {
  const nested: DescriptorProto[] = []
  const field = Object.entries(fields).map(([fieldName, type], index) => {
    const map = /^map<(.+)>$/.exec(type)?.[1]
    const base = { name: fieldName, jsonName: lowerCamel(fieldName), number: index + 1 }
    if (map !== undefined) {
      const entry = `${camel(fieldName)}Entry`
      nested.push(entryProto(spec, entry, map))
      return {
        ...base,
        type: FieldDescriptorProto_Type.MESSAGE,
        typeName: `.${spec.package}.${name}.${entry}`,
        label: FieldDescriptorProto_Label.REPEATED,
      }
    }
    const label = type.endsWith('[]')
      ? FieldDescriptorProto_Label.REPEATED
      : FieldDescriptorProto_Label.OPTIONAL
    return {
      ...base,
      label,
      ...typeOf(spec, type.replace('[]', '')),
      ...(oneof.includes(fieldName) && { oneofIndex: 0 }),
    }
  })
  return create(DescriptorProtoSchema, {
    name,
    nestedType: nested,
    field: field.map((one) => create(FieldDescriptorProtoSchema, one)),
    oneofDecl: oneof.length > 0 ? [{ name: 'one_of' }] : [],
  })
}

const entryProto = (spec: FileSpec, name: string, type: string): DescriptorProto =>
  create(DescriptorProtoSchema, {
    name,
    options: { mapEntry: true },
    field: [
      { name: 'key', jsonName: 'key', number: 1, type: FieldDescriptorProto_Type.STRING },
      { name: 'value', jsonName: 'value', number: 2, ...typeOf(spec, type) },
    ],
  })

function typeOf(spec: FileSpec, type: string): { type: FieldDescriptorProto_Type; typeName?: string } {
  const scalar = SCALARS[type]
  if (scalar !== undefined) return { type: scalar }
  if (type === 'NullValue')
    return { type: FieldDescriptorProto_Type.ENUM, typeName: '.google.protobuf.NullValue' }
  if (GOOGLE_TYPES.includes(type))
    return { type: FieldDescriptorProto_Type.MESSAGE, typeName: `.google.protobuf.${type}` }
  const isEnum = Object.hasOwn(spec.enums, type)
  if (!isEnum && !Object.hasOwn(spec.messages, type)) throw new Error(`the schema has no type ${type}`)
  return {
    type: isEnum ? FieldDescriptorProto_Type.ENUM : FieldDescriptorProto_Type.MESSAGE,
    typeName: `.${spec.package}.${type}`,
  }
}

const camel = (name: string): string =>
  name.replace(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase())

const lowerCamel = (name: string): string =>
  name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
