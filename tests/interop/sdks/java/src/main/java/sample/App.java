package sample;

import dev.dbos.transact.DBOS;
import dev.dbos.transact.StartWorkflowOptions;
import dev.dbos.transact.config.DBOSConfig;
import dev.dbos.transact.workflow.QueueOptions;
import dev.dbos.transact.workflow.Workflow;
import dev.dbos.transact.workflow.WorkflowSchedule;
import java.time.Instant;

/** The sample application in Java: connects to the conductor of its environment and runs workflows. */
public final class App {
  interface Shop {
    String order(int steps);

    void fail();

    void tick(Instant scheduledAt, Object context);
  }

  static final class ShopImpl implements Shop {
    private final DBOS dbos;

    ShopImpl(DBOS dbos) {
      this.dbos = dbos;
    }

    @Workflow(name = "order")
    public String order(int steps) {
      dbos.setEvent("state", "started");
      for (int step = 1; step <= steps; step++) {
        dbos.runStep(App::pause, "pause");
        dbos.writeStream("progress", step);
      }
      return "done";
    }

    @Workflow(name = "fail")
    public void fail() {
      dbos.runStep(App::breakDown, "break_down");
    }

    @Workflow(name = "tick")
    public void tick(Instant scheduledAt, Object context) {
      dbos.runStep(App::pause, "pause");
    }
  }

  static void pause() {
    try {
      Thread.sleep(number("STEP_MS", 300));
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  static void breakDown() {
    throw new IllegalStateException("out of stock");
  }

  static int number(String variable, int otherwise) {
    String value = System.getenv(variable);
    return value == null ? otherwise : Integer.parseInt(value);
  }

  public static void main(String[] args) throws Exception {
    DBOSConfig config =
        DBOSConfig.defaultsFromEnv(System.getenv("APP_NAME"))
            .withAppVersion("1.0.0")
            .withConductorDomain(System.getenv("CONDUCTOR_URL"))
            .withConductorKey(System.getenv("CONDUCTOR_KEY"));
    DBOS dbos = new DBOS(config);
    Shop shop = dbos.registerProxy(Shop.class, new ShopImpl(dbos));
    dbos.registerAlertHandler(
        (name, message, metadata) -> System.err.println(name + ": " + message + " " + metadata));
    dbos.launch();
    dbos.registerQueue("mail", QueueOptions.setWorkerConcurrency(2));
    dbos.applySchedules(
        new WorkflowSchedule("nightly", "tick", ShopImpl.class.getName(), "0 0 3 * * *"));
    for (int n = 1; n <= number("WORKFLOWS", 0); n++) {
      dbos.startWorkflow(() -> shop.order(5), new StartWorkflowOptions("order-" + n));
      if (n == 1) {
        dbos.send("order-1", "hello", "greeting");
        dbos.startWorkflow(shop::fail, new StartWorkflowOptions("failed-1"));
        dbos.startWorkflow(() -> shop.order(5), new StartWorkflowOptions("queued-1").withQueue("mail"));
      }
    }
    System.out.println("ready");
    Thread.currentThread().join();
  }
}
