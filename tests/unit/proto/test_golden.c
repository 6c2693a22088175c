/*
 * Golden vectors (proto/channel.md section 9): every message packs to the bytes written there, and those bytes unpack to
 * a message that packs to the same bytes. `test_golden --print` prints the lines for channel.md.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/check.h"
#include "proto/frame.h"

#include "samples.h"

static char *channel_md;

static char *read_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	char *text = calloc(1, 1 << 20);
	if (!f || !text || fread(text, 1, (1 << 20) - 1, f) == 0) {
		fprintf(stderr, "%s: cannot be read\n", path);
		exit(1);
	}
	fclose(f);
	return text;
}

static char *hex_of(struct xfed_span bytes)
{
	char *hex = calloc(2, bytes.len + 1);
	for (size_t i = 0; i < bytes.len; i++) {
		snprintf(hex + 2 * i, 3, "%02x", (uint8_t)bytes.data[i]);
	}
	return hex;
}

/* The hex behind "NAME: " at the beginning of a line of channel.md. */
static char *golden(const char *name)
{
	char key[64];
	snprintf(key, sizeof(key), "\n%s: ", name);
	const char *at = strstr(channel_md, key);
	if (!at) {
		fail_msg("channel.md has no line \"%s: \"", name);
	}
	at += strlen(key);
	return strndup(at, strcspn(at, "\n"));
}

static char *packed(const Xfed__Frame *f)
{
	struct xfed_buf out;
	xfed_buf_init(&out, 1 << 20);
	assert_int_equal(proto_frame_write(&out, f), XFED_OK);
	assert_int_equal(xfed_buf_len(&out), proto_frame_size(f));
	char *hex = hex_of(xfed_buf_span(&out));
	xfed_buf_deinit(&out);
	return hex;
}

static void every_message_packs_to_its_vector(void **state)
{
	for (size_t i = 0; i < sample_count; i++) {
		char *want = golden(samples[i].name), *have = packed(samples[i].frame);
		if (strcmp(want, have) != 0) {
			fail_msg("%s: packs to %s", samples[i].name, have);
		}
		free(want);
		free(have);
	}
}

static void every_vector_unpacks(void **state)
{
	for (size_t i = 0; i < sample_count; i++) {
		char *want = golden(samples[i].name);
		struct proto_frame_reader r;
		const Xfed__Frame *f;
		bool nomem;
		uint8_t bytes[4096];
		size_t len = strlen(want) / 2;
		assert_true(len <= sizeof(bytes));
		for (size_t b = 0; b < len; b++) {
			sscanf(want + 2 * b, "%2hhx", &bytes[b]);
		}
		proto_frame_reader_init(&r);
		assert_int_equal(proto_frame_feed(&r, xfed_span_make(bytes, len), &nomem), len);
		if (proto_frame_next(&r, &f) != PROTO_FRAME_MESSAGE) {
			fail_msg("%s: %s", samples[i].name, r.problem ? r.problem : "incomplete");
		}
		assert_int_equal(f->body_case, samples[i].frame->body_case);
		assert_int_equal(r.frame_bytes, len);
		char *again = packed(f);
		assert_string_equal(again, want);
		free(again);
		free(want);
		proto_frame_reader_deinit(&r);
	}
}

/*
 * Messages to which fields were added, as the version before wrote them. Read they have nothing in the new fields, and what is written
 * today is the same but for these: to that version fields it does not know, which it skips.
 */
static const struct {
	const char *name, *hex;
} before[] = {
	{ "ping", "0000000612040809102a" },
	{ "pong", "000000041a020809" },
	{ "settled", "000000b042ad010a07082b100130c8010a3f082c10021a0e6974656d2d6e6f742d666f756e64220663616e63656c2a0c4e6f207375636820757365723094033"
		     "a107369702e757365722e756e6b6e6f776e0a0e082e10034208686561646c696e650a51082f10041a1572656d6f74652d7365727665722d74696d656f757422"
		     "04776169742a176d61792068617665206265656e2064656c69766572656430f8033a1264656c69766572792e756e6365727461696e" },
};

static void leave_out_what_is_new(Xfed__Frame *f)
{
	switch (f->body_case) {
	case XFED__FRAME__BODY_PING:
		f->ping->wall_ms = 0;
		break;
	case XFED__FRAME__BODY_PONG:
		f->pong->wall_ms = 0;
		break;
	default:
		for (size_t i = 0; i < f->settled->n_outcomes; i++) {
			f->settled->outcomes[i]->side = f->settled->outcomes[i]->whose = NULL;
		}
		break;
	}
}

static Xfed__Frame *unpacked(const char *hex)
{
	uint8_t bytes[4096];
	size_t len = strlen(hex) / 2;
	assert_true(len <= sizeof(bytes));
	for (size_t b = 0; b < len; b++) {
		sscanf(hex + 2 * b, "%2hhx", &bytes[b]);
	}
	Xfed__Frame *f = xfed__frame__unpack(NULL, len - 4, bytes + 4);
	assert_non_null(f);
	return f;
}

static void the_version_before_is_read_and_reads(void **state)
{
	for (size_t i = 0; i < XFED_ARRAY_LEN(before); i++) {
		Xfed__Frame *theirs = unpacked(before[i].hex);
		assert_null(proto_check(theirs));
		char *again = packed(theirs); /* nothing in a new field, or it would be longer */
		assert_string_equal(again, before[i].hex);
		free(again);
		xfed__frame__free_unpacked(theirs, NULL);
		char *today = golden(before[i].name);
		Xfed__Frame *ours = unpacked(today);
		char *kept[8] = { NULL };
		size_t n = ours->body_case == XFED__FRAME__BODY_SETTLED ? ours->settled->n_outcomes : 0;
		for (size_t k = 0; k < n; k++) {
			kept[2 * k] = ours->settled->outcomes[k]->side;
			kept[2 * k + 1] = ours->settled->outcomes[k]->whose;
		}
		leave_out_what_is_new(ours);
		char *left = packed(ours);
		assert_string_equal(left, before[i].hex);
		for (size_t k = 0; k < n; k++) {
			ours->settled->outcomes[k]->side = kept[2 * k];
			ours->settled->outcomes[k]->whose = kept[2 * k + 1];
		}
		free(left);
		free(today);
		xfed__frame__free_unpacked(ours, NULL);
	}
}

/* A message added to channel.proto needs a sample, a vector and a name. */
static void no_message_is_left_out(void **state)
{
	for (unsigned i = 0; i < xfed__frame__descriptor.n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &xfed__frame__descriptor.fields[i];
		bool is_there = false;
		for (size_t k = 0; k < sample_count; k++) {
			is_there |= samples[k].frame->body_case == (Xfed__Frame__BodyCase)field->id;
		}
		if (!is_there) {
			fail_msg("no sample of %s", field->name);
		}
		assert_string_not_equal(proto_body_name((Xfed__Frame__BodyCase)field->id), "none");
		assert_true(proto_check_sender(XFED__ROLE__ROLE_EDGE, (Xfed__Frame__BodyCase)field->id) ||
			    proto_check_sender(XFED__ROLE__ROLE_GATEWAY, (Xfed__Frame__BodyCase)field->id));
	}
}

/* Every field of every message has a value other than its default in some sample, or the vectors would not show it. */
static void mark(const ProtobufCMessage *m, uint64_t seen[64], const ProtobufCMessageDescriptor *types[64])
{
	size_t t = 0;
	while (types[t] && types[t] != m->descriptor) {
		t++;
	}
	types[t] = m->descriptor;
	for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
		const uint8_t *at = (const uint8_t *)m + f->offset;
		size_t n = f->label == PROTOBUF_C_LABEL_REPEATED ? *(const size_t *)((const uint8_t *)m + f->quantifier_offset) : 1;
		if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF && *(const uint32_t *)((const uint8_t *)m + f->quantifier_offset) != f->id) {
			continue;
		}
		const void *const *list = f->label == PROTOBUF_C_LABEL_REPEATED ? *(const void *const *const *)at : (const void *const *)at;
		for (size_t k = 0; f->type == PROTOBUF_C_TYPE_MESSAGE && k < n; k++) {
			if (list[k]) {
				mark(list[k], seen, types);
			}
		}
		seen[t] |= (uint64_t)(n > 0) << f->id;
	}
}

static void every_repeated_field_has_an_element(void **state)
{
	uint64_t seen[64] = { 0 };
	const ProtobufCMessageDescriptor *types[64] = { NULL };
	for (size_t i = 0; i < sample_count; i++) {
		mark(&samples[i].frame->base, seen, types);
	}
	for (size_t t = 0; types[t]; t++) {
		for (unsigned i = 0; i < types[t]->n_fields; i++) {
			if (!(seen[t] >> types[t]->fields[i].id & 1)) {
				fail_msg("no sample has an element of %s.%s", types[t]->short_name, types[t]->fields[i].name);
			}
		}
	}
}

static int print_all(void)
{
	for (size_t i = 0; i < sample_count; i++) {
		struct xfed_buf out;
		xfed_buf_init(&out, 1 << 20);
		if (proto_frame_write(&out, samples[i].frame) != XFED_OK) {
			return 1;
		}
		char *hex = hex_of(xfed_buf_span(&out));
		printf("%s: %s\n", samples[i].name, hex);
		free(hex);
		xfed_buf_deinit(&out);
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--print") == 0) {
		return print_all();
	}
	if (argc != 2) {
		fprintf(stderr, "usage: test_golden CHANNEL.MD | --print\n");
		return 2;
	}
	channel_md = read_file(argv[1]);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_message_packs_to_its_vector),
		cmocka_unit_test(every_vector_unpacks),
		cmocka_unit_test(the_version_before_is_read_and_reads),
		cmocka_unit_test(no_message_is_left_out),
		cmocka_unit_test(every_repeated_field_has_an_element),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);
	free(channel_md);
	return rc;
}
