/* The store: revisions survive, one gateway at a time, damage and newer versions are told in one sentence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "store/store.h"
#include "sweep.h"

static char dir[] = "/tmp/xfed-store-XXXXXX";
static char path[64];
static int64_t wall_s = 1700000000;

static void fill_random(void *user, void *out, size_t len)
{
	static uint8_t next;
	(void)user;
	for (size_t i = 0; i < len; i++) {
		((uint8_t *)out)[i] = next++;
	}
}

static int64_t read_wall(void *user)
{
	(void)user;
	return wall_s;
}

static const struct xfed_env env = { .random = fill_random, .wall_s = read_wall };

static struct store *open_store(void)
{
	struct store *s;
	char error[256];
	if (store_open(path, &env, &s, error) != XFED_OK) {
		fail_msg("%s", error);
	}
	return s;
}

static void refuses(const char *words)
{
	struct store *s;
	char error[256];
	assert_int_equal(store_open(path, &env, &s, error), XFED_ERR_INVALID);
	assert_null(s);
	if (!strstr(error, words) || !strstr(error, path)) {
		fail_msg("'%s' does not name the file and '%s'", error, words);
	}
}

static void sql(const char *text)
{
	sqlite3 *db;
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static int fresh(void **state)
{
	(void)state;
	unlink(path);
	return 0;
}

static void a_revision_and_the_key_survive(void **state)
{
	(void)state;
	struct store_facts a, b;
	char error[256];
	struct store *s = open_store();
	assert_int_equal(store_read(s, &a, error), XFED_OK);
	assert_int_equal(a.revision.counter, 0);
	assert_true(a.revision.epoch > 0 && a.revision.epoch <= INT64_MAX);
	a.revision.counter = 41;
	memset(a.revision.hash, 0xab, sizeof(a.revision.hash));
	assert_int_equal(store_write_revision(s, &a.revision, error), XFED_OK);
	store_close(s);
	s = open_store();
	assert_int_equal(store_read(s, &b, error), XFED_OK);
	assert_memory_equal(&a, &b, sizeof(a));
	store_close(s);
}

/* The highest revision wins at an edge, so a store that had to be made anew must not be older than the lost one. */
static void a_store_made_later_has_a_higher_epoch(void **state)
{
	(void)state;
	struct store_facts a, b;
	char error[256];
	struct store *s = open_store();
	assert_int_equal(store_read(s, &a, error), XFED_OK);
	store_close(s);
	unlink(path);
	wall_s++;
	s = open_store();
	assert_int_equal(store_read(s, &b, error), XFED_OK);
	store_close(s);
	assert_true(b.revision.epoch > a.revision.epoch);
	assert_memory_not_equal(a.key, b.key, sizeof(a.key));
}

/* Locks of one process do not keep it from itself: the second gateway is another process. */
static void one_gateway_at_a_time(void **state)
{
	(void)state;
	static struct store *s; /* the child has it too, and a memory checker looks whether it knows where */
	s = open_store();
	int status;
	pid_t child = fork();
	if (child == 0) {
		struct store *other;
		char error[256];
		int rc = store_open(path, &env, &other, error);
		_exit(rc == XFED_ERR_INVALID && strstr(error, "in use by another gateway") ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	store_close(s);
	store_close(open_store());
}

static void a_newer_version_is_left_alone(void **state)
{
	(void)state;
	store_close(open_store());
	sql("PRAGMA user_version = 999");
	refuses("newer version");
}

static void damage_is_told(void **state)
{
	(void)state;
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs("this is no database, and long enough to look like something that should be one, with a header of its own", f);
	fclose(f);
	refuses("not a database");
	unlink(path);
	struct store_facts facts;
	char error[256];
	store_close(open_store());
	sql("DELETE FROM secret");
	struct store *s = open_store();
	assert_int_equal(store_read(s, &facts, error), XFED_ERR_INVALID);
	assert_non_null(strstr(error, "missing or damaged"));
	store_close(s);
}

static void a_directory_that_is_not_there_is_told(void **state)
{
	(void)state;
	char good[sizeof(path)];
	memcpy(good, path, sizeof(path));
	snprintf(path, sizeof(path), "%s/none/x.db", dir);
	refuses("unable to open");
	memcpy(path, good, sizeof(path));
}

static void scenario(void)
{
	struct store *s;
	char error[256];
	struct store_facts facts;
	if (store_open(path, &env, &s, error) == XFED_OK) {
		assert_int_equal(store_read(s, &facts, error), XFED_OK);
		store_close(s);
	}
}

static void every_allocation_of_ours_may_fail(void **state)
{
	(void)state;
	assert_true(sweep(scenario) > 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_revision_and_the_key_survive, fresh),
		cmocka_unit_test_setup(a_store_made_later_has_a_higher_epoch, fresh),
		cmocka_unit_test_setup(one_gateway_at_a_time, fresh),
		cmocka_unit_test_setup(a_newer_version_is_left_alone, fresh),
		cmocka_unit_test_setup(damage_is_told, fresh),
		cmocka_unit_test_setup(a_directory_that_is_not_there_is_told, fresh),
		cmocka_unit_test_setup(every_allocation_of_ours_may_fail, fresh),
	};
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/gateway.db", dir);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	rmdir(dir);
	return failed;
}
