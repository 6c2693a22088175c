/*
 * Arbitrary bytes into a server and a client session, cut into pieces by the input itself. Security
 * sentence: bytes that somebody without our peer's keys made up never complete a handshake, never
 * come out as plaintext, and never make a session hold more than its caps.
 *
 * With 255 as the first byte the two talk to each other, and each further byte is something done to
 * one of them, in whatever state it is: a step, a write, a read, a goodbye, bytes that move, a bit
 * that is flipped on the way. What is read is then what the other one wrote, from its beginning;
 * nothing is written before the handshake, behind a goodbye or a failure.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "xfed/limits.h"
#include "xfed/tls.h"

#include "tls_pair.h" /* a certificate and its key for this target alone */

static int64_t wall(void *user)
{
	return 1700000000;
}

static const struct xfed_env env = { .wall_s = wall };
static struct xfed_tls_creds *creds;

static void start(void)
{
	struct xfed_tls_keypair pair = { XFED_SPAN(FUZZ_CERTIFICATE), XFED_SPAN(FUZZ_KEY) };
	struct xfed_tls_creds_config cfg = { .pairs = &pair, .pair_count = 1 };
	char error[200];
	if (xfed_tls_global_init(&env) != XFED_OK || xfed_tls_creds_new(&cfg, &creds, error, sizeof(error)) != XFED_OK) {
		abort();
	}
}

static void feed(enum xfed_tls_role role, const uint8_t *data, size_t size, size_t piece)
{
	struct xfed_tls_params params = { .role = role, .name = XFED_SPAN("partner.example"), .local_name = XFED_SPAN("partner.example") };
	struct xfed_tls *t;
	if (xfed_tls_new(&env, creds, &params, &t) != XFED_OK) {
		abort();
	}
	enum xfed_tls_result r = role == XFED_TLS_CLIENT ? xfed_tls_handshake_step(t) : XFED_TLS_WANT_INPUT;
	while (r == XFED_TLS_WANT_INPUT && size > 0) {
		size_t n = size < piece ? size : piece;
		if (xfed_tls_input(t, xfed_span_make(data, n)) != XFED_OK) {
			abort(); /* what was queued has been taken by the step before */
		}
		data += n;
		size -= n;
		r = xfed_tls_handshake_step(t);
		if (xfed_buf_len(xfed_tls_output(t)) > XFED_TLS_OUTPUT_BYTES) {
			abort();
		}
	}
	if (r == XFED_TLS_DONE || xfed_tls_is_established(t)) {
		abort();
	}
	struct xfed_tls_facts f;
	xfed_tls_facts(t, &f);
	if (f.chain_reason == XFED_REASON_NONE || (r == XFED_TLS_FAILED && xfed_tls_reason(t) == XFED_REASON_NONE)) {
		abort();
	}
	xfed_tls_free(t);
}

/* ---- two that talk to each other ---- */

#define SAID_MAX 65536

struct end {
	struct xfed_tls *t;
	char said[SAID_MAX];
	size_t said_len, heard; /* written here; read here of what the other one said */
	bool has_said_bye, is_over;
};

static void must(bool holds)
{
	if (!holds) {
		abort();
	}
}

static void end_up(struct end *e, enum xfed_tls_role role)
{
	struct xfed_tls_params params = { .role = role, .name = XFED_SPAN("partner.example"), .local_name = XFED_SPAN("partner.example") };
	e->said_len = e->heard = 0;
	e->has_said_bye = e->is_over = false;
	must(xfed_tls_new(&env, creds, &params, &e->t) == XFED_OK);
}

static void do_step(struct end *e)
{
	if (!xfed_tls_is_established(e->t)) {
		enum xfed_tls_result r = xfed_tls_handshake_step(e->t);
		must(!e->is_over || r == XFED_TLS_FAILED);
		e->is_over |= r == XFED_TLS_FAILED;
	}
}

static void do_write(struct end *e, size_t len)
{
	static const char text[512] = "said by one";
	bool may = xfed_tls_is_established(e->t) && !e->has_said_bye && !e->is_over;
	if (e->said_len + len > SAID_MAX) {
		return;
	}
	int rc = xfed_tls_write(e->t, xfed_span_make(text, len));
	must(rc == (may ? XFED_OK : XFED_ERR_STATE));
	if (rc == XFED_OK) {
		memcpy(e->said + e->said_len, text, len);
		e->said_len += len;
	}
}

static void do_read(struct end *e, const struct end *other, size_t most)
{
	char out[512];
	size_t len = 0;
	if (!xfed_tls_is_established(e->t)) {
		return;
	}
	enum xfed_tls_result r = xfed_tls_read(e->t, out, most, &len);
	must((len > 0) == (r == XFED_TLS_DONE));
	must(e->heard + len <= other->said_len && memcmp(out, other->said + e->heard, len) == 0);
	must(!e->is_over || r == XFED_TLS_FAILED);
	e->heard += len;
	e->is_over |= r == XFED_TLS_FAILED;
}

static void do_move(struct end *from, struct end *to, size_t most, bool is_flipped)
{
	struct xfed_buf *b = xfed_tls_output(from->t);
	struct xfed_span have = xfed_buf_span(b);
	size_t room = xfed_tls_input_room(to->t), len = have.len < most ? have.len : most;
	len = len < room ? len : room;
	if (len == 0) {
		return;
	}
	if (is_flipped) {
		b->mem[b->start + len / 2] ^= 1;
	}
	must(xfed_tls_input(to->t, xfed_span_make(have.data, len)) == XFED_OK);
	xfed_buf_consume(b, len);
}

static void do_one(struct end *e, struct end *other, uint8_t op)
{
	size_t most = op & 0x40 ? 500 : 20;
	switch (op % 8) {
	case 0:
	case 1:
		do_step(e);
		break;
	case 2:
		do_write(e, most);
		break;
	case 3:
		do_read(e, other, most);
		break;
	case 4:
		xfed_tls_bye(e->t);
		e->has_said_bye |= xfed_tls_is_established(e->t) && !e->is_over;
		break;
	case 5:
		do_move(e, other, most, false);
		break;
	case 6:
		do_move(e, other, SIZE_MAX, false);
		break;
	default:
		do_move(e, other, most, (op & 0x30) == 0x30);
		break;
	}
}

static void talk(const uint8_t *ops, size_t count)
{
	static struct end client, server;
	end_up(&client, XFED_TLS_CLIENT);
	end_up(&server, XFED_TLS_SERVER);
	for (size_t i = 0; i < count && i < 2000; i++) {
		bool is_client = ops[i] & 8;
		do_one(is_client ? &client : &server, is_client ? &server : &client, ops[i]);
	}
	xfed_tls_free(client.t);
	xfed_tls_free(server.t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!creds) {
		start();
	}
	if (size < 1) {
		return 0;
	}
	if (data[0] == 255) {
		talk(data + 1, size - 1);
		return 0;
	}
	size_t piece = data[0] == 0 ? 4096 : data[0];
	feed(XFED_TLS_SERVER, data + 1, size - 1, piece);
	feed(XFED_TLS_CLIENT, data + 1, size - 1, piece);
	return 0;
}
