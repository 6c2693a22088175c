/* When a partner was heard last. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "presence/stale.h"

static struct core core;
static const struct rt_daemon_user no_daemon;

/* Two partners may share a bucket: that one is heard says nothing of the other. */
static void who_is_heard_is_of_its_own_partner(void **state)
{
	(void)state;
	struct contacts *c;
	struct presence *p = calloc(1, sizeof(*p));
	struct pair *first = NULL, *other = NULL;
	char name[40];
	assert_non_null(p);
	assert_int_equal(rt_daemon_init(&core.d, &no_daemon, NULL), XFED_OK);
	assert_int_equal(contacts_new(0, &c), XFED_OK);
	p->core = &core;
	p->contacts = c;
	for (int i = 0; !other; i++) { /* until one falls into the bucket of the first */
		snprintf(name, sizeof(name), "contact@p%d.example", i);
		struct contact *k = contacts_hold(c, NULL, XFED_SPAN("user@corp.example"), xfed_span_str(name));
		struct pair *pair = pair_of(p, k);
		assert_non_null(pair);
		other = first && pair->bucket == first->bucket ? pair : NULL;
		first = first ? first : pair;
	}
	pair_was_heard(other);
	assert_true(pair_partner_heard_ms(other) > 0);
	assert_int_equal(pair_partner_heard_ms(first), 0);
	pair_was_heard(first);
	assert_true(pair_partner_heard_ms(first) > 0);
	for (struct pair *pair = p->pairs, *next; pair; pair = next) {
		next = pair->next;
		xfed_free(pair);
	}
	free(p);
	contacts_free(c);
	rt_daemon_close(&core.d);
	rt_daemon_deinit(&core.d);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(who_is_heard_is_of_its_own_partner) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
