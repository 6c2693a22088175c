/* Keep-alives of ours (RFC 5626 section 4.4.1): when they are sent, and who is held to answering them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sip/keepalive.h"

#define EVERY 120000

static uint32_t number;
static void fill(void *user, void *out, size_t len)
{
	memcpy(out, &number, len);
}
static const struct xfed_env env = { .random = fill };

enum what { TICK, PONG, OTHER };

static void transcripts(void **state)
{
	static const struct row {
		uint64_t at_ms;
		enum what what;
		enum sip_keepalive_verdict want; /* of a TICK */
		uint64_t next_ms;
	} rows[] = {
		{ 119999, TICK, SIP_KEEPALIVE_NOTHING, 120000 },
		{ 120000, TICK, SIP_KEEPALIVE_PING, 130000 },
		{ 130000, TICK, SIP_KEEPALIVE_NOTHING, 250000 }, /* it has never answered */
		{ 250000, TICK, SIP_KEEPALIVE_PING, 260000 },
		{ 251000, OTHER, 0, 371000 }, /* a message shows life, and says nothing of pongs */
		{ 371000, TICK, SIP_KEEPALIVE_PING, 381000 },
		{ 381000, TICK, SIP_KEEPALIVE_NOTHING, 501000 },
		{ 501000, TICK, SIP_KEEPALIVE_PING, 511000 },
		{ 501100, PONG, 0, 621100 },
		{ 502000, OTHER, 0, 621100 }, /* what comes unasked puts nothing off */
		{ 621100, TICK, SIP_KEEPALIVE_PING, 631100 },
		{ 631099, TICK, SIP_KEEPALIVE_NOTHING, 631100 },
		{ 631100, TICK, SIP_KEEPALIVE_LOST, 751100 },
	};
	struct sip_keepalive k;
	number = 0;
	sip_keepalive_init(&k, &env, EVERY, 0);
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];
		enum sip_keepalive_verdict got = SIP_KEEPALIVE_NOTHING;
		if (r->what == TICK) {
			got = sip_keepalive_tick(&k, r->at_ms);
		} else {
			sip_keepalive_heard(&k, r->what == PONG, r->at_ms);
		}
		if (got != r->want || sip_keepalive_deadline(&k) != r->next_ms) {
			fail_msg("row %zu: %d, next at %llu", i, got, (unsigned long long)sip_keepalive_deadline(&k));
		}
	}
}

static void spread_and_off(void **state)
{
	struct sip_keepalive k;
	for (number = 0; number < 5000; number += 7) {
		sip_keepalive_init(&k, &env, EVERY, 1000);
		assert_in_range(sip_keepalive_deadline(&k), 1000 + EVERY - EVERY / 5, 1000 + EVERY);
	}
	sip_keepalive_init(&k, &env, 0, 1000);
	assert_true(sip_keepalive_deadline(&k) == UINT64_MAX);
	assert_int_equal(sip_keepalive_tick(&k, UINT64_MAX - 1), SIP_KEEPALIVE_NOTHING);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(transcripts), cmocka_unit_test(spread_and_off) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
