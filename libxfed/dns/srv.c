#include "xfed/dns.h"

static void swap(struct xfed_dns_record *a, struct xfed_dns_record *b)
{
	struct xfed_dns_record t = *a;
	*a = *b;
	*b = t;
}

/* Uniform in [0, bound]: values above the last whole multiple are drawn again. */
static uint32_t draw(const struct xfed_env *env, uint32_t bound)
{
	uint32_t n = bound + 1, r;
	uint32_t limit = UINT32_MAX - UINT32_MAX % n;
	do {
		env->random(env->user, &r, sizeof(r));
	} while (r >= limit);
	return r % n;
}

static void sort_by_priority(struct xfed_dns_record *r, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		for (size_t k = i; k > 0 && r[k].srv.priority < r[k - 1].srv.priority; k--) {
			swap(&r[k], &r[k - 1]);
		}
	}
}

/*
 * RFC 2782, "Weight" (taken literally it would give weights 1 and 3 a ratio of 2 to 3, because 0 can be drawn too): records of weight 0
 * come first, then a number up to the sum of weights chooses the first record whose running sum reaches it; 0 chooses one of weight 0,
 * which so has a very small chance. Where the RFC says "in any order" the records are shuffled, or the first would always be chosen.
 * Returns how many there are.
 */
static size_t zeros_first(const struct xfed_env *env, struct xfed_dns_record *r, size_t count)
{
	size_t zeros = 0;
	for (size_t i = 0; i < count; i++) {
		if (r[i].srv.weight == 0) {
			swap(&r[i], &r[zeros++]);
		}
	}
	for (size_t i = zeros; i > 1; i--) {
		swap(&r[i - 1], &r[draw(env, (uint32_t)i - 1)]);
	}
	return zeros;
}

static void order_group(const struct xfed_env *env, struct xfed_dns_record *r, size_t count)
{
	for (; count > 1; r++, count--) {
		uint32_t sum = 0, running = 0;
		size_t zeros = zeros_first(env, r, count), i = 0;
		for (size_t k = 0; k < count; k++) {
			sum += r[k].srv.weight;
		}
		/* Without records of weight 0 the number 0 is not drawn: it would give the first record more than its weight. */
		uint32_t chosen = zeros > 0 ? draw(env, sum) : 1 + draw(env, sum - 1);
		while (i + 1 < count && (running += r[i].srv.weight) < chosen) {
			i++;
		}
		swap(&r[0], &r[i]);
	}
}

void xfed_dns_srv_order(const struct xfed_env *env, struct xfed_dns_record *records, size_t count)
{
	sort_by_priority(records, count);
	for (size_t from = 0; from < count;) {
		size_t to = from + 1;
		while (to < count && records[to].srv.priority == records[from].srv.priority) {
			to++;
		}
		order_group(env, records + from, to - from);
		from = to;
	}
}
