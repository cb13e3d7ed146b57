import org.apache.activemq.store.jdbc.Statements;
import org.apache.activemq.store.jdbc.adapter.DefaultJDBCAdapter;
import org.apache.activemq.store.jdbc.adapter.MySqlJDBCAdapter;
import org.apache.activemq.store.jdbc.adapter.PostgresqlJDBCAdapter;

/** Prints the SQL by which ActiveMQ's JDBC store makes its tables. As ActiveMQ runs it, some of the statements may fail. */
public final class JdbcTables {
    static final String USAGE = "usage: JdbcTables postgres|mysql [--prefix TABLEPREFIX]; prints a statement a line";

    public static void main(String[] arguments) {
        Options options = new Options(USAGE, arguments);
        boolean mysql = options.word(0, "postgres or mysql").equals("mysql");
        Statements statements = new Statements();
        statements.setTablePrefix(options.text("prefix", ""));
        options.finished();
        DefaultJDBCAdapter adapter = mysql ? new MySqlJDBCAdapter() : new PostgresqlJDBCAdapter();
        adapter.setStatements(statements);
        for (String statement : statements.getCreateSchemaStatements()) {
            Say.line(statement);
        }
    }
}
