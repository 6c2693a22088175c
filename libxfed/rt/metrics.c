#include "metrics_internal.h"

#include <stdio.h>

#include "xfed/jid.h"

const double metric_bounds[METRIC_BUCKETS] = { 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60 };
const char *const metric_bound_texts[METRIC_BUCKETS + 1] = { "0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5",
	"5", "10", "30", "60", "+Inf" };

static const struct {
	const char *name, *labels, *help;
	enum rt_metric_type type;
} table[RT_METRIC_COUNT] = {
#define RT_METRIC(id, name_, type_, labels_, help_) [RT_M_##id] = { name_, labels_, help_, type_ },
#include "metrics.def"
#undef RT_METRIC
};

static void fill_info(struct metric_info *info, enum rt_metric_id id)
{
	info->name = table[id].name;
	info->help = table[id].help;
	info->type = table[id].type;
	info->partner = -1;
	XFED_REQUIRE(strlen(table[id].labels) < sizeof(info->label_mem));
	snprintf(info->label_mem, sizeof(info->label_mem), "%s", table[id].labels);
	char *save = NULL;
	for (char *l = strtok_r(info->label_mem, ",", &save); l; l = strtok_r(NULL, ",", &save)) {
		XFED_REQUIRE(info->label_count < RT_METRIC_LABELS_MAX);
		if (strcmp(l, "partner") == 0) {
			info->partner = (int)info->label_count;
		}
		info->labels[info->label_count++] = l;
	}
}

/* Cuts between characters, so that the output stays UTF-8. */
static struct xfed_span cut(struct xfed_span s)
{
	size_t len = s.len < RT_METRIC_VALUE_BYTES ? s.len : RT_METRIC_VALUE_BYTES - 1;
	while (len < s.len && len > 0 && ((unsigned char)s.data[len] & 0xc0) == 0x80) {
		len--;
	}
	struct xfed_span c = xfed_span_make(s.data ? s.data : "", len);
	bool is_text = !memchr(c.data, '\0', c.len) && xfed_utf8_is_valid(c);
	return is_text ? c : XFED_SPAN("?");
}

/* The values one after the other, each with a NUL, which no value contains: different sets of values give different keys. */
static size_t make_key(const struct metric_info *info, const struct xfed_span *labels, char key[METRIC_KEY_BYTES])
{
	size_t n = 0;
	for (size_t i = 0; i < info->label_count; i++) {
		struct xfed_span v = cut(labels[i]);
		memcpy(key + n, v.data, v.len);
		n += v.len;
		key[n++] = '\0';
	}
	return n;
}

static void set_values(struct rt_series *s)
{
	const char *p = s->key;
	for (size_t i = 0; i < s->info->label_count; i++) {
		s->values[i] = xfed_span_str(p);
		p += s->values[i].len + 1;
	}
}

static void free_series(struct rt_series *s)
{
	if (s) {
		xfed_free(s->key);
		xfed_free(s->buckets);
		xfed_free(s);
	}
}

static struct rt_series *add_series(struct metric_family *f, const char *key, size_t key_len)
{
	struct rt_series *s = xfed_calloc(1, sizeof(*s));
	if (!s) {
		return NULL;
	}
	s->info = &f->info;
	s->key_len = key_len;
	s->key = xfed_malloc(key_len + 1);
	if (f->info.type == RT_METRIC_HISTOGRAM) {
		s->buckets = xfed_calloc(METRIC_BUCKETS, sizeof(s->buckets[0]));
	}
	if (!s->key || (f->info.type == RT_METRIC_HISTOGRAM && !s->buckets)) {
		free_series(s);
		return NULL;
	}
	memcpy(s->key, key, key_len);
	s->key[key_len] = '\0';
	set_values(s);
	HASH_ADD_KEYPTR(hh, f->table, s->key, s->key_len, s);
	if (!XFED_TABLE_ADDED(s)) {
		free_series(s);
		return NULL;
	}
	f->count++;
	return s;
}

static struct rt_series *find_series(const struct metric_family *f, const char *key, size_t key_len)
{
	struct rt_series *s = NULL;
	HASH_FIND(hh, f->table, key, key_len, s);
	return s;
}

/* The series for these labels, made if there are fewer than `max`; else NULL. */
static struct rt_series *get_series(struct metric_family *f, const struct xfed_span *labels, size_t max)
{
	XFED_UNSET char key[METRIC_KEY_BYTES];
	size_t key_len = make_key(&f->info, labels, key);
	struct rt_series *s = f->recent;
	if (s && s->key_len == key_len && memcmp(s->key, key, key_len) == 0) {
		return s;
	}
	s = find_series(f, key, key_len);
	if (!s && f->count < max) {
		s = add_series(f, key, key_len);
	}
	f->recent = s ? s : f->recent;
	return s;
}

struct rt_series *rt_metric_series(struct rt_metrics *m, enum rt_metric_id id, const struct xfed_span *labels, size_t count)
{
	struct metric_family *f = &m->families[id];
	XFED_REQUIRE(count == f->info.label_count);
	if (count == 0) {
		return &f->overflow;
	}
	struct rt_series *s = get_series(f, labels, RT_METRIC_SERIES_MAX);
	if (!s && f->info.partner >= 0) {
		struct xfed_span other[RT_METRIC_LABELS_MAX];
		memcpy(other, labels, count * sizeof(labels[0]));
		other[f->info.partner] = RT_METRIC_OTHER;
		s = get_series(f, other, RT_METRIC_SERIES_MAX + RT_METRIC_OTHER_MAX);
	}
	return s ? s : &f->overflow;
}

static void init_overflow(struct metric_family *f)
{
	f->overflow.info = &f->info;
	f->overflow.key = f->overflow_key;
	f->overflow.buckets = f->overflow_buckets;
	for (size_t i = 0; i < f->info.label_count; i++) {
		memcpy(f->overflow_key + f->overflow.key_len, "other", 6);
		f->overflow.key_len += 6;
	}
	set_values(&f->overflow);
}

int rt_metrics_new(struct rt_metrics **out)
{
	struct rt_metrics *m = xfed_calloc(1, sizeof(*m));
	*out = NULL;
	if (!m) {
		return XFED_ERR_NOMEM;
	}
	for (int id = 0; id < RT_METRIC_COUNT; id++) {
		struct metric_family *f = &m->families[id];
		fill_info(&f->info, (enum rt_metric_id)id);
		init_overflow(f);
		/* A counter without labels exists from the start, with 0. A gauge that this service never sets has no value: 0 would be one. */
		f->overflow.is_visible = f->info.label_count == 0 && f->info.type != RT_METRIC_GAUGE;
	}
	*out = m;
	return XFED_OK;
}

void rt_metrics_free(struct rt_metrics *m)
{
	if (!m) {
		return;
	}
	for (int id = 0; id < RT_METRIC_COUNT; id++) {
		struct rt_series *s, *next;
		HASH_ITER(hh, m->families[id].table, s, next) {
			HASH_DEL(m->families[id].table, s);
			free_series(s);
		}
	}
	metrics_import_free(m);
	xfed_free(m);
}

/* ---- values ---- */

void rt_series_add(struct rt_series *s, uint64_t n)
{
	s->is_visible = true;
	if (s->info->type == RT_METRIC_GAUGE) {
		s->value += (double)n;
	} else {
		s->count += n;
	}
}

void rt_series_sub(struct rt_series *s, uint64_t n)
{
	XFED_REQUIRE(s->info->type == RT_METRIC_GAUGE);
	s->is_visible = true;
	s->value -= (double)n;
}

void rt_series_set(struct rt_series *s, double value)
{
	XFED_REQUIRE(s->info->type == RT_METRIC_GAUGE);
	s->is_visible = true;
	s->value = value;
}

void rt_series_observe(struct rt_series *s, double value)
{
	XFED_REQUIRE(s->info->type == RT_METRIC_HISTOGRAM);
	s->is_visible = true;
	s->count++;
	s->value += value;
	for (size_t i = 0; i < METRIC_BUCKETS; i++) {
		if (value <= metric_bounds[i]) {
			s->buckets[i]++;
			break;
		}
	}
}

double rt_series_value(const struct rt_series *s)
{
	return s->info->type == RT_METRIC_GAUGE ? s->value : (double)s->count;
}

void rt_metric_add(struct rt_metrics *m, enum rt_metric_id id, uint64_t n, const struct xfed_span *labels, size_t count)
{
	rt_series_add(rt_metric_series(m, id, labels, count), n);
}

void rt_metric_sub(struct rt_metrics *m, enum rt_metric_id id, uint64_t n, const struct xfed_span *labels, size_t count)
{
	rt_series_sub(rt_metric_series(m, id, labels, count), n);
}

void rt_metric_set(struct rt_metrics *m, enum rt_metric_id id, double value, const struct xfed_span *labels, size_t count)
{
	rt_series_set(rt_metric_series(m, id, labels, count), value);
}

void rt_metric_observe(struct rt_metrics *m, enum rt_metric_id id, double value, const struct xfed_span *labels, size_t count)
{
	rt_series_observe(rt_metric_series(m, id, labels, count), value);
}

double rt_metric_value(const struct rt_metrics *m, enum rt_metric_id id, const struct xfed_span *labels, size_t count)
{
	const struct metric_family *f = &m->families[id];
	XFED_UNSET char key[METRIC_KEY_BYTES];
	XFED_REQUIRE(count == f->info.label_count);
	if (count == 0) {
		return rt_series_value(&f->overflow);
	}
	const struct rt_series *s = find_series(f, key, make_key(&f->info, labels, key));
	return s ? rt_series_value(s) : 0;
}

void rt_metric_clear(struct rt_metrics *m, enum rt_metric_id id, size_t label, struct xfed_span value)
{
	const struct metric_family *f = &m->families[id];
	XFED_REQUIRE(label < f->info.label_count);
	for (struct rt_series *s = f->table; s; s = s->hh.next) {
		if (xfed_span_eq(s->values[label], value)) {
			s->is_visible = false;
			s->value = 0;
		}
	}
}

/* ---- read by others ---- */

void rt_metric_visit(const struct rt_metrics *m, enum rt_metric_id id, void (*fn)(void *user, const struct rt_series *s), void *user)
{
	const struct metric_family *f = &m->families[id];
	for (const struct rt_series *s = f->table; s; s = s->hh.next) {
		fn(user, s);
	}
	fn(user, &f->overflow);
}

struct xfed_span rt_series_label(const struct rt_series *s, size_t i)
{
	return s->values[i];
}

void rt_metric_buckets(const struct rt_metrics *m, enum rt_metric_id id, uint64_t out[RT_METRIC_BUCKETS + 1])
{
	const struct metric_family *f = &m->families[id];
	XFED_REQUIRE(f->info.label_count == 0);
	out[METRIC_BUCKETS] = f->overflow.count;
	for (size_t i = 0; i < METRIC_BUCKETS; i++) {
		out[i] = f->overflow.buckets ? f->overflow.buckets[i] : 0;
		out[METRIC_BUCKETS] -= out[i];
	}
}

double rt_metric_bound(size_t bucket)
{
	return metric_bounds[bucket];
}
