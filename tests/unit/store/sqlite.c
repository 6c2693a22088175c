/* The store in an SQLite file, held to the contract. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "contract.h"
#include "xfed/rt/loop.h"
#include "xfed/rt/sandbox.h"

static char dir[] = "/tmp/xfed-store-XXXXXX";
static char path[64], nowhere[80];

static void fresh(void)
{
	char journal[80];
	snprintf(journal, sizeof(journal), "%s-journal", path);
	unlink(path);
	unlink(journal);
}

static void run(sqlite3 *db, const char *sql)
{
	char *error = NULL;
	if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK) {
		fail_msg("%s: %s", sql, error);
	}
}

static sqlite3 *open_file(void)
{
	sqlite3 *db;
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	return db;
}

static void sql(const char *text)
{
	sqlite3 *db = open_file();
	run(db, text);
	sqlite3_close(db);
}

/* The schema of each version as it was released: a copy, so that a step that is changed afterwards is noticed. */
static const char *const released[] = {
	"CREATE TABLE policy (one INTEGER PRIMARY KEY CHECK (one = 1), epoch INTEGER NOT NULL, counter INTEGER NOT NULL,"
	" hash BLOB NOT NULL);"
	"CREATE TABLE secret (one INTEGER PRIMARY KEY CHECK (one = 1), key BLOB NOT NULL);",
	"CREATE TABLE failure (id INTEGER PRIMARY KEY, first_s INTEGER NOT NULL, last_s INTEGER NOT NULL, repeats INTEGER NOT NULL,"
	" direction INTEGER NOT NULL, edge TEXT NOT NULL, local TEXT NOT NULL, remote TEXT NOT NULL, reason TEXT NOT NULL,"
	" side TEXT NOT NULL, words TEXT NOT NULL, correlation TEXT NOT NULL, detail BLOB NOT NULL);"
	"CREATE INDEX failure_remote ON failure (remote, id);"
	"CREATE INDEX failure_last ON failure (last_s);",
	"CREATE TABLE contact (local TEXT NOT NULL, remote TEXT NOT NULL, wrote_s INTEGER NOT NULL, alive_s INTEGER NOT NULL,"
	" PRIMARY KEY (local, remote)) WITHOUT ROWID;"
	"CREATE INDEX contact_wrote ON contact (wrote_s);",
	"CREATE INDEX failure_of_edges ON failure (id) WHERE edge <> '';"
	"CREATE INDEX failure_our_own ON failure (id) WHERE edge = '';",
	"ALTER TABLE contact ADD COLUMN relation TEXT NOT NULL DEFAULT 'none';"
	"ALTER TABLE contact ADD COLUMN preapproved INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE contact ADD COLUMN asked_s INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE contact ADD COLUMN used_s INTEGER NOT NULL DEFAULT 0;",
	"ALTER TABLE contact ADD COLUMN wanted_s INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE contact ADD COLUMN approved INTEGER NOT NULL DEFAULT 0;"
	"UPDATE contact SET wanted_s = used_s WHERE relation IN ('to', 'to+pending-in', 'both') OR relation LIKE '%+pending-out%';",
};

static void bind_text(sqlite3_stmt *st, int n, struct xfed_span s)
{
	assert_int_equal(sqlite3_bind_text(st, n, s.data, (int)s.len, SQLITE_STATIC), SQLITE_OK);
}

static void end(sqlite3_stmt *st)
{
	assert_int_equal(sqlite3_step(st), SQLITE_DONE);
	sqlite3_finalize(st);
}

static void put_old_rows(sqlite3 *db, int version)
{
	const struct store_facts *facts = &contract_old_facts;
	const struct store_failure *f = &contract_old_failure;
	sqlite3_stmt *st;
	assert_int_equal(sqlite3_prepare_v2(db, "INSERT INTO policy (one, epoch, counter, hash) VALUES (1, ?1, ?2, ?3)", -1, &st, NULL), SQLITE_OK);
	sqlite3_bind_int64(st, 1, (sqlite3_int64)facts->revision.epoch);
	sqlite3_bind_int64(st, 2, (sqlite3_int64)facts->revision.counter);
	sqlite3_bind_blob(st, 3, facts->revision.hash, sizeof(facts->revision.hash), SQLITE_STATIC);
	end(st);
	assert_int_equal(sqlite3_prepare_v2(db, "INSERT INTO secret (one, key) VALUES (1, ?1)", -1, &st, NULL), SQLITE_OK);
	sqlite3_bind_blob(st, 1, facts->key, sizeof(facts->key), SQLITE_STATIC);
	end(st);
	if (version < CONTRACT_FAILURES_SINCE) {
		return;
	}
	assert_int_equal(sqlite3_prepare_v2(db,
				 "INSERT INTO failure (id, first_s, last_s, repeats, direction, edge, local, remote, reason, side, words,"
				 " correlation, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
				 -1, &st, NULL),
		SQLITE_OK);
	sqlite3_bind_int64(st, 1, (sqlite3_int64)f->id);
	sqlite3_bind_int64(st, 2, f->first_s);
	sqlite3_bind_int64(st, 3, f->last_s);
	sqlite3_bind_int64(st, 4, (sqlite3_int64)f->count);
	sqlite3_bind_int(st, 5, (int)f->direction);
	bind_text(st, 6, f->edge);
	bind_text(st, 7, f->local);
	bind_text(st, 8, f->remote);
	bind_text(st, 9, f->reason);
	bind_text(st, 10, f->side);
	bind_text(st, 11, f->text);
	bind_text(st, 12, f->correlation);
	sqlite3_bind_blob(st, 13, f->detail.data, (int)f->detail.len, SQLITE_STATIC);
	end(st);
}

static void old(int version)
{
	char text[64];
	fresh();
	sqlite3 *db = open_file();
	for (int i = 0; i < version; i++) {
		run(db, released[i]);
	}
	put_old_rows(db, version);
	snprintf(text, sizeof(text), "PRAGMA user_version = %d", version);
	run(db, text);
	sqlite3_close(db);
}

static void newer(void)
{
	sql("PRAGMA user_version = 999");
}

static void lose_key(void)
{
	sql("DELETE FROM secret");
}

static void not_a_store(void)
{
	fresh();
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs("this is no database, and long enough to look like something that should be one, with a header of its own", f);
	fclose(f);
}

/* As a full disk does it: writing beyond the end of what there is fails. */
static void room(size_t bytes)
{
	struct stat st;
	struct rlimit limit;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes == SIZE_MAX ? limit.rlim_max : (rlim_t)st.st_size + bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* Exit status: 0, 1 where it cannot be opened, 77 where there is no sandbox. */
static int opened_inside(void)
{
	struct xfed_env env;
	char error[256];
	void *db;
	rt_env(&env);
	rt_sandbox_name(path, RT_SANDBOX_WRITE);
	if (rt_sandbox_enter(RT_SANDBOX_ABI_ANY, error) != XFED_OK) {
		return 2;
	}
	if (store_sqlite.open(path, &env, &db, error) != XFED_OK) {
		fprintf(stderr, "%s\n", error);
		return 1;
	}
	store_sqlite.close(db);
	return rt_sandbox_missing(RT_SANDBOX_LANDLOCK) ? 77 : 0;
}

/* SQLite writes what is large while it works into a temporary file, for which a sandbox has no place. */
static void a_large_store_is_brought_up_to_date_in_a_sandbox(void **state)
{
	int status;
	(void)state;
	old(5);
	sqlite3 *db = open_file();
	/* one of an administrator's own: the step that changes what it is made of first collects all rows */
	run(db, "CREATE INDEX own ON contact (relation, used_s); CREATE TRIGGER own_too AFTER UPDATE ON contact BEGIN SELECT 1; END");
	run(db, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)"
		" INSERT INTO contact (local, remote, wrote_s, alive_s, relation, used_s)"
		" SELECT 'user' || i || '@corp.example', 'contact' || i || '@partner.example', i, i, 'both', i FROM n");
	sqlite3_close(db);
	fflush(NULL);
	pid_t child = fork();
	if (child == 0) {
		_exit(opened_inside());
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77) {
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest inside[] = { cmocka_unit_test(a_large_store_is_brought_up_to_date_in_a_sandbox) };
	static const struct contract_backend backend = {
		.backend = &store_sqlite,
		.where = path,
		.fresh = fresh,
		.old = old,
		.versions = XFED_ARRAY_LEN(released),
		.newer = newer,
		.lose_key = lose_key,
		.not_a_store = not_a_store,
		.not_a_store_words = "not a database",
		.nowhere = nowhere,
		.nowhere_words = "unable to open",
		.room = room,
	};
	signal(SIGXFSZ, SIG_IGN);
	if (!mkdtemp(dir)) {
		return 1;
	}
	snprintf(path, sizeof(path), "%s/gateway.db", dir);
	snprintf(nowhere, sizeof(nowhere), "%s/none/x.db", dir);
	int failed = contract_run(&backend);
	room(SIZE_MAX);
	failed += cmocka_run_group_tests_name("store/sqlite in a sandbox", inside, NULL, NULL);
	fresh();
	rmdir(dir);
	return failed;
}
