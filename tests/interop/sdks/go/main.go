// The sample application in Go: connects to the conductor of its environment and runs workflows.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"strconv"
	"time"

	"github.com/dbos-inc/dbos-transact-golang/dbos"
)

func pause(context.Context) (string, error) {
	time.Sleep(time.Duration(number("STEP_MS", 300)) * time.Millisecond)
	return "", nil
}

func order(ctx dbos.Context, steps int) (string, error) {
	if err := dbos.SetEvent(ctx, "state", "started"); err != nil {
		return "", err
	}
	for step := 1; step <= steps; step++ {
		if _, err := dbos.RunAsStep(ctx, pause, dbos.WithStepName("pause")); err != nil {
			return "", err
		}
		if err := dbos.WriteStream(ctx, "progress", step); err != nil {
			return "", err
		}
	}
	return "done", nil
}

func breakDown(context.Context) (string, error) {
	return "", errors.New("out of stock")
}

func fail(ctx dbos.Context, _ string) (string, error) {
	return dbos.RunAsStep(ctx, breakDown, dbos.WithStepName("break_down"))
}

func tick(ctx dbos.Context, _ dbos.ScheduledWorkflowInput) (string, error) {
	return dbos.RunAsStep(ctx, pause, dbos.WithStepName("pause"))
}

func main() {
	ctx, err := dbos.NewContext(context.Background(), dbos.Config{
		AppName:            os.Getenv("APP_NAME"),
		ApplicationVersion: "1.0.0",
		DatabaseURL:        os.Getenv("DATABASE_URL"),
		ConductorURL:       os.Getenv("CONDUCTOR_URL"),
		ConductorAPIKey:    os.Getenv("CONDUCTOR_KEY"),
	})
	check(err)
	dbos.RegisterWorkflow(ctx, order, dbos.WithWorkflowName("order"))
	dbos.RegisterWorkflow(ctx, fail, dbos.WithWorkflowName("fail"))
	dbos.RegisterWorkflow(ctx, tick, dbos.WithWorkflowName("tick"))
	dbos.SetAlertHandler(ctx, func(name, message string, metadata map[string]string) {
		log.Println(name, message, metadata)
	})
	check(dbos.Launch(ctx))
	mail, err := dbos.RegisterQueue(ctx, "mail", dbos.WithWorkerConcurrency(2))
	check(err)
	check(dbos.ApplySchedules(ctx, []dbos.ScheduleSpec{
		{ScheduleName: "nightly", Schedule: "0 0 3 * * *", Workflow: tick},
	}))
	for n := 1; n <= number("WORKFLOWS", 0); n++ {
		_, err := dbos.RunWorkflow(ctx, order, 5, dbos.WithWorkflowID(fmt.Sprintf("order-%d", n)))
		check(err)
		if n == 1 {
			check(dbos.Send(ctx, "order-1", "hello", "greeting"))
			_, err = dbos.RunWorkflow(ctx, fail, "", dbos.WithWorkflowID("failed-1"))
			check(err)
			_, err = dbos.RunWorkflow(ctx, order, 5, dbos.WithWorkflowID("queued-1"), dbos.WithQueue(mail))
			check(err)
		}
	}
	fmt.Println("ready", dbos.GetExecutorID(ctx))
	select {}
}

func number(variable string, otherwise int) int {
	if value, err := strconv.Atoi(os.Getenv(variable)); err == nil {
		return value
	}
	return otherwise
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
