/** What clients of the tool protocol read: names and types of its messages. */
import { type FileSpec, protoCodec } from './proto-file.ts'

const TOOLS: FileSpec = {
  package: 'agent_inbox.v1',
  enums: {},
  messages: {
    JsonValue: {
      fields: {
        bool_value: 'bool',
        int_value: 'int64',
        double_value: 'double',
        string_value: 'string',
        object_value: 'JsonObject',
        list_value: 'JsonList',
        null_value: 'NullValue',
        bytes_value: 'bytes',
      },
      oneof: [
        'bool_value',
        'int_value',
        'double_value',
        'string_value',
        'object_value',
        'list_value',
        'null_value',
        'bytes_value',
      ],
    },
    JsonObject: { fields: { fields: 'map<JsonValue>' } },
    JsonList: { fields: { values: 'JsonValue[]' } },
    ParameterSchema: {
      fields: {
        type: 'string',
        description: 'string',
        enum: 'string[]',
        default: 'JsonValue',
        items: 'ParameterSchema',
        properties: 'map<ParameterSchema>',
        required: 'string[]',
        format: 'string',
      },
    },
    ToolParameters: {
      fields: { type: 'string', properties: 'map<ParameterSchema>', required: 'string[]' },
    },
    ToolExample: {
      fields: { description: 'string', input: 'JsonObject', expected_output: 'JsonObject' },
    },
    StatusPolling: {
      fields: {
        status_tool: 'string',
        operation_id_field: 'string',
        status_tool_id_param: 'string',
        poll_interval_seconds: 'int32',
        max_poll_duration_seconds: 'int32',
      },
    },
    CompletionConditions: {
      fields: {
        status_field: 'string',
        success_values: 'string[]',
        failure_values: 'string[]',
        pending_values: 'string[]',
        error_field: 'string',
        error_details_field: 'string',
        result_field: 'string',
      },
    },
    ProgressTracking: {
      fields: { progress_field: 'string', message_field: 'string', phase_field: 'string' },
    },
    CancellationBehavior: { fields: { cancel_tool: 'string', cancel_tool_id_param: 'string' } },
    AsyncBehavior: {
      fields: {
        status_polling: 'StatusPolling',
        completion_conditions: 'CompletionConditions',
        progress_tracking: 'ProgressTracking',
        cancellation: 'CancellationBehavior',
      },
    },
    ToolMetadata: {
      fields: {
        enabled_by_default: 'bool',
        requires_approval: 'bool',
        timeout_seconds: 'int32',
        rate_limit_per_minute: 'int32',
        cost_estimate: 'string',
        long_running: 'bool',
        idempotent: 'bool',
        tags: 'string[]',
        examples: 'ToolExample[]',
        async_behavior: 'AsyncBehavior',
        modifies_state: 'bool',
        sensitive_output: 'bool',
      },
    },
    ToolDefinition: {
      fields: {
        name: 'string',
        description: 'string',
        category: 'string',
        parameters: 'ToolParameters',
        metadata: 'ToolMetadata',
      },
    },
    ToolCategory: {
      fields: {
        id: 'string',
        name: 'string',
        description: 'string',
        icon: 'string',
        display_order: 'int32',
      },
    },
    ScenarioInfo: { fields: { name: 'string', version: 'string', description: 'string' } },
    ToolManifest: {
      fields: {
        protocol_version: 'string',
        scenario: 'ScenarioInfo',
        tools: 'ToolDefinition[]',
        categories: 'ToolCategory[]',
        generated_at: 'Timestamp',
      },
    },
  },
}

export const toolProtocol = protoCodec(TOOLS)
